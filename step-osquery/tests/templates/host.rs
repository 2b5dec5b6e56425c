//! A host on which statements run: a database with osquery's tables.

use rusqlite::{Connection, types::Value as Cell};

/// A host. Its tables are empty at first.
pub(crate) struct Host(Connection);

impl Host {
    pub(crate) fn new() -> Self {
        let connection = Connection::open_in_memory().expect("a database in memory");
        connection
            .execute_batch(include_str!("../../../tests/sim/src/osquery/tables.sql"))
            .expect("the tables");
        Self(connection)
    }

    /// A host with rows: SQL that inserts them.
    pub(crate) fn with(rows: &str) -> Self {
        let host = Self::new();
        host.0.execute_batch(rows).expect("rows");
        host
    }

    /// The columns of the statement's answer, and its rows as text, one cell beside the other.
    pub(crate) fn query(&self, sql: &str) -> rusqlite::Result<(Vec<String>, Vec<Vec<String>>)> {
        let mut statement = self.0.prepare(sql)?;
        let columns: Vec<_> = statement.column_names().map(str::to_owned).collect();
        let rows = statement
            .query_map([], |row| {
                (0..columns.len()).map(|index| Ok(text(row.get(index)?))).collect()
            })?
            .collect::<Result<_, _>>()?;
        Ok((columns, rows))
    }

    /// One column of the statement's answer.
    pub(crate) fn column(&self, sql: &str, name: &str) -> Vec<String> {
        let (columns, rows) = self.query(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        let index = columns
            .iter()
            .position(|column| column == name)
            .unwrap_or_else(|| panic!("no column {name}: {sql}"));
        rows.into_iter().map(|mut row| row.swap_remove(index)).collect()
    }
}

/// A value as osquery spells it.
fn text(cell: Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Text(text) => text,
        Cell::Blob(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
    }
}
