//! A machine with osquery on it: tables, and statements that run on them.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::types::Value as Cell;
use rusqlite::{Connection, params_from_iter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A row: column to value.
pub type Row = Map<String, Value>;

/// osquery's table definitions, for the tables this machine has.
const TABLES: &str = include_str!("osquery/tables.sql");

/// Each table's name and definition.
static DEFINITIONS: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let definitions = TABLES.split_inclusive(';').filter_map(|text| {
        let text = &text[text.find("CREATE TABLE ")?..];
        Some((text.strip_prefix("CREATE TABLE ")?.split_once(' ')?.0, text))
    });
    definitions.collect()
});

/// What an ordinary server has running, open and installed.
static USUAL: LazyLock<BTreeMap<String, Vec<Row>>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("osquery/usual.json")).expect("the shipped rows are valid JSON")
});

/// Virtual machine instructions after which a statement is stopped, in thousands.
const MOST_STEPS: i32 = 20_000;

/// What there is to know about a machine.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Facts {
    /// Its hostname.
    pub hostname: String,
    /// Its hardware uuid.
    pub uuid: String,
    /// Rows that replace the usual ones of a table. A time below zero (`time`, `mtime`, `ctime`, `start_time`) counts
    /// back from now, in seconds; `{hostname}` and `{uuid}` in a text are the machine's.
    pub tables: BTreeMap<String, Vec<Row>>,
}

/// The tables of a machine, in memory. Made when a statement arrives and dropped after it, so that a host that is not
/// asked costs nothing.
pub struct Database(Connection);

impl Facts {
    /// What the machine answers to a statement: rows, or osquery's error.
    pub fn answer(&self, sql: &str) -> Result<Vec<Row>, String> {
        let sql_in_lower_case = sql.to_lowercase();
        Database::with(self, |table| sql_in_lower_case.contains(table))?.query(sql)
    }
}

/// Whether a machine has this table.
pub(crate) fn has_table(name: &str) -> bool {
    DEFINITIONS.iter().any(|(known, _)| *known == name)
}

impl Database {
    /// All tables, without rows.
    pub fn open_empty() -> Self {
        let database = Self(connect().expect("SQLite opens a database in memory"));
        database.0.execute_batch(TABLES).expect("the definitions are valid SQL");
        database
    }

    /// All tables with the rows of this machine.
    pub fn of(facts: &Facts) -> Result<Self, String> {
        Self::with(facts, |_| true)
    }

    /// The tables that `wanted` picks. Making only those that a statement names is what lets thousands of hosts answer.
    fn with(facts: &Facts, wanted: impl Fn(&str) -> bool) -> Result<Self, String> {
        let database = Self(connect().map_err(|error| error.to_string())?);
        for (name, definition) in DEFINITIONS.iter().filter(|(name, _)| wanted(name)) {
            database
                .0
                .execute_batch(definition)
                .expect("the definitions are valid SQL");
            let own = facts.tables.get(*name);
            if let Some(rows) = own.or_else(|| USUAL.get(*name)) {
                database.insert(name, rows, facts)?;
            }
        }
        Ok(database)
    }

    /// Runs a statement that only reads. Values are texts, as osquery returns them; errors are `SQLite`'s words.
    pub fn query(&self, sql: &str) -> Result<Vec<Row>, String> {
        let words = |error: rusqlite::Error| match error {
            rusqlite::Error::SqliteFailure(_, Some(message)) => message,
            rusqlite::Error::SqlInputError { msg, .. } => msg,
            other => other.to_string(),
        };
        let mut statement = self.0.prepare(sql).map_err(words)?;
        if !statement.readonly() {
            return Err("attempt to write a readonly database".into());
        }
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let rows = statement.query_map([], |row| {
            columns
                .iter()
                .enumerate()
                .map(|(index, column)| Ok((column.clone(), Value::String(text(row.get(index)?)))))
                .collect::<rusqlite::Result<Row>>()
        });
        rows.map_err(words)?.collect::<rusqlite::Result<_>>().map_err(words)
    }

    fn insert(&self, table: &str, rows: &[Row], facts: &Facts) -> Result<(), String> {
        for row in rows {
            let names: Vec<String> = row
                .keys()
                .map(|name| format!("\"{}\"", name.replace('"', "")))
                .collect();
            let marks = vec!["?"; names.len()].join(", ");
            let sql = format!("INSERT INTO \"{table}\" ({}) VALUES ({marks})", names.join(", "));
            let cells = row.iter().map(|(name, value)| cell(name, value, facts));
            self.0
                .execute(&sql, params_from_iter(cells))
                .map_err(|error| format!("{table}: {error}"))?;
        }
        Ok(())
    }
}

/// A connection whose statements cannot run for ever.
fn connect() -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    let mut steps = 0;
    let handler = move || {
        steps += 1;
        steps > MOST_STEPS
    };
    connection.progress_handler(1_000, Some(handler))?;
    Ok(connection)
}

fn cell(name: &str, value: &Value, facts: &Facts) -> Cell {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(ago) if ago < 0 && matches!(name, "mtime" | "ctime" | "start_time" | "time") => {
                Cell::Integer(now() + ago)
            }
            Some(number) => Cell::Integer(number),
            None => Cell::Real(number.as_f64().unwrap_or_default()),
        },
        Value::Null => Cell::Null,
        Value::Bool(flag) => Cell::Integer((*flag).into()),
        Value::String(text) => Cell::Text(
            text.replace("{hostname}", &facts.hostname)
                .replace("{uuid}", &facts.uuid),
        ),
        other => Cell::Text(other.to_string()),
    }
}

fn text(cell: Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Integer(number) => number.to_string(),
        // As SQLite prints it: `2.0`, not `2`.
        Cell::Real(number) => format!("{number:?}"),
        Cell::Text(text) => text,
        Cell::Blob(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}
