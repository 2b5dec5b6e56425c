//! The density of tables. Each row can have columns of its own, which would make a table of mostly empty cells.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// The most cells of a table for each filled one.
const SPARSEST: usize = 4;

/// The number of cells that any table may have.
const SMALL: usize = 10_000;

/// The most columns of a table: nobody reads a wider one.
const MOST_COLUMNS: usize = 2_000;

/// Returns true if enough cells of these rows are filled to show them as a table.
pub(super) fn is_dense(rows: &[Value]) -> bool {
    let rows = || rows.iter().filter_map(Value::as_object);
    let filled: usize = rows().map(Map::len).sum();
    let most = filled.saturating_mul(SPARSEST).saturating_add(SMALL) / rows().count().max(1);
    let mut columns = HashSet::new();
    rows().flat_map(Map::keys).all(|name| {
        columns.insert(name.as_str());
        columns.len() <= most.min(MOST_COLUMNS)
    })
}
