//! Steps that run for each item of a list.

use serde_json::Value;

use crate::language::render::{ListItem, Renderer, locate, render_value};
use crate::text::diagnostic::{Code, Diagnostic, Place};
use crate::text::document::Document;
use crate::text::json::kind;
use crate::text::schema::Provenance;

/// The most items of a list.
pub(crate) const MOST_ITEMS: usize = 1_000;

/// The most items under way at once.
pub(crate) const MOST_AT_ONCE: usize = 20;

/// The list that a step runs for.
#[derive(Debug, Clone)]
pub(crate) struct ForEach {
    /// A list, or one `{{ expression }}`.
    pub(crate) items: Value,
    /// How many items may be under way at once.
    pub(crate) concurrency: usize,
    /// Whether the items may depend on what an attacker can influence.
    pub(crate) untrusted: bool,
    /// Where the list stands in the document, as a JSON pointer.
    pub(crate) pointer: String,
}

impl ForEach {
    /// The items. They are trusted if the whole list was rendered where nothing is that others decide.
    pub(crate) fn items(&self, document: &Document, renderer: &Renderer) -> Result<Vec<ListItem>, Vec<Diagnostic>> {
        let provenance = if self.untrusted {
            Provenance::Any
        } else {
            Provenance::Author
        };
        let mut problems = Vec::new();
        let rendered = render_value(&self.items, &self.pointer, &mut |pointer, text| {
            renderer.render(text, provenance).unwrap_or_else(|problem| {
                problems.push(locate(document, pointer, problem));
                Value::Null
            })
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let wrong = |code, message| {
            let place = Place::bytes(document.source().clone(), document.span(&self.pointer));
            Diagnostic::error(code, message).at(place)
        };
        match rendered {
            Value::Array(items) if items.len() > MOST_ITEMS => Err(vec![
                wrong(
                    Code::TooManyItems,
                    format!("`for_each` has {} items, and at most {MOST_ITEMS} are run", items.len()),
                )
                .hint("shorten the list where it is made, or end the expression with `[:1000]` if the first will do"),
            ]),
            Value::Array(items) => Ok(items.into_iter().map(|item| ListItem::of(provenance, item)).collect()),
            other => Err(vec![wrong(
                Code::WrongType,
                format!("`for_each` must be a list, and this is {}", kind(&other)),
            )]),
        }
    }
}
