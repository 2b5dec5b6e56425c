//! Where in a document a problem of a schema is shown.

use super::SchemaProblem;
use crate::text::diagnostic::Diagnostic;
use crate::text::document::Document;

/// A schema's problem as a diagnostic, in the map at a JSON pointer.
pub(crate) fn place(document: &Document, map: &str, problem: SchemaProblem) -> Diagnostic {
    let pointer = format!("{map}{}", problem.pointer);
    // What concerns the map as a whole is shown at its key, not at the first of its values.
    let place = if problem.at_key || problem.pointer.is_empty() {
        document.key_place(&pointer)
    } else {
        document.place(&pointer)
    };
    Diagnostic::error(problem.code, problem.message)
        .at(place)
        .maybe_hint(problem.hint)
}
