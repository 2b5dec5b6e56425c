//! Templates that stand in a document: their problems point into it.

use serde_json::{Map, Value};

use super::{Problem, Renderer};
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

/// A value with its templates filled in; the problems of all are added to `problems`.
pub(crate) fn render_value(
    document: &Document,
    value: &Value,
    pointer: &str,
    renderer: &Renderer,
    problems: &mut Vec<Diagnostic>,
) -> Value {
    match value {
        Value::String(text) => renderer.render(text).unwrap_or_else(|problem| {
            problems.push(locate(document, pointer, problem));
            Value::Null
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| render_value(document, item, &format!("{pointer}/{index}"), renderer, problems))
            .collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                let below = format!("{pointer}/{}", escape_key(key));
                (key.clone(), render_value(document, value, &below, renderer, problems))
            })
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}
