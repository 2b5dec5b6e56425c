//! Templates that stand in a document: their problems point into it.

use serde_json::{Map, Value};

use super::Problem;
use crate::text::diagnostic::{Diagnostic, Place};
use crate::text::document::Document;
use crate::text::json::escape_key;

/// A template's problem as a diagnostic, pointing inside the text at `pointer`.
pub(crate) fn locate(document: &Document, pointer: &str, problem: Problem) -> Diagnostic {
    let place = Place::bytes(document.source().clone(), document.span_within(pointer, problem.range));
    Diagnostic::error(problem.code, problem.message)
        .at(place)
        .maybe_hint(problem.hint)
}

/// A value with its texts replaced. Keys stay as they are written.
pub(crate) fn render_value(value: &Value, pointer: &str, render: &mut impl FnMut(&str, &str) -> Value) -> Value {
    match value {
        Value::String(text) => render(pointer, text),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| render_value(item, &format!("{pointer}/{index}"), render))
            .collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                let below = format!("{pointer}/{}", escape_key(key));
                (key.clone(), render_value(value, &below, render))
            })
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}
