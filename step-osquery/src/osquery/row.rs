//! Rows as osquery gives them.

use serde_json::{Map, Value};

/// A row of an answer: a text for each column.
pub type Row = Map<String, Value>;

/// Returns a row as osquery gives it: every value is a text, and null is the empty text.
pub fn text_row(mut row: Row) -> Row {
    for value in row.values_mut() {
        match value {
            Value::String(_) => {}
            Value::Null => *value = Value::String(String::new()),
            other => *other = Value::String(other.to_string()),
        }
    }
    row
}
