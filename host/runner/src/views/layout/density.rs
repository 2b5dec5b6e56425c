//! Which rows make a table: each row can have columns of its own, and the cells of a table would be many times what is in them.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// How many cells a table may have for each that has something in it, and how many any table may have.
const SPARSEST: usize = 4;
const SMALL: usize = 10_000;

/// The most columns of a table. What has more is read by nobody.
const MOST_COLUMNS: usize = 2_000;

/// Whether most cells of these rows have something in them.
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
