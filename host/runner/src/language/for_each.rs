//! Steps that run for each item of a list.

use serde::Serialize;
use serde_json::Value;

use crate::language::condition::kind;
use crate::language::params;
use crate::language::render::Renderer;
use crate::run::report::{StepError, StepStatus};
use crate::sandbox::plugin::Note;
use crate::text::diagnostic::{Code, Diagnostic, Place};
use crate::text::document::Document;

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

/// What became of an item: an element of the result of a step with `for_each`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ItemReport {
    pub(crate) item: Value,
    pub(crate) status: StepStatus,
    pub(crate) attempts: u32,
    pub(crate) duration_ms: u64,
    pub(crate) result: Option<Value>,
    pub(crate) error: Option<StepError>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<Note>,
}

impl ForEach {
    /// The items.
    pub(crate) fn items(&self, document: &Document, renderer: &Renderer) -> Result<Vec<Value>, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let rendered = params::render_value(document, &self.items, &self.pointer, renderer, &mut problems);
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
            Value::Array(items) => Ok(items),
            other => Err(vec![wrong(
                Code::WrongType,
                format!("`for_each` must be a list, and this is {}", kind(&other)),
            )]),
        }
    }
}

/// The status of a step from those of its items: failed if any failed, partial if any is partial or was not started.
pub(crate) fn status(items: &[ItemReport]) -> StepStatus {
    let any = |status| items.iter().any(|item| item.status == status);
    if any(StepStatus::Failed) {
        StepStatus::Failed
    } else if any(StepStatus::Partial) || any(StepStatus::Skipped) {
        StepStatus::Partial
    } else {
        StepStatus::Success
    }
}

/// What a step says of the items that failed, if any did: the kind and the words of the first.
pub(crate) fn error(items: &[ItemReport]) -> Option<StepError> {
    let failed = || {
        items
            .iter()
            .enumerate()
            .filter_map(|(at, item)| Some((at, item.error.as_ref()?)))
    };
    let (at, first) = failed().next()?;
    Some(StepError {
        kind: first.kind.clone(),
        message: format!(
            "{} of {} items failed, the first is item {}: {}",
            failed().count(),
            items.len(),
            at + 1,
            first.message
        ),
        hint: first.hint.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(status: StepStatus) -> ItemReport {
        let error = (status == StepStatus::Failed).then(|| StepError {
            kind: "auth".into(),
            message: "no".into(),
            hint: None,
        });
        ItemReport {
            item: Value::Null,
            status,
            attempts: 1,
            duration_ms: 0,
            result: None,
            error,
            notes: Vec::new(),
        }
    }

    #[test]
    fn the_worst_item_decides() {
        use StepStatus::{Failed, Partial, Skipped, Success};
        for (items, expected) in [
            (vec![], Success),
            (vec![Success, Success], Success),
            (vec![Success, Partial], Partial),
            (vec![Success, Skipped], Partial),
            (vec![Partial, Failed, Success], Failed),
        ] {
            let items: Vec<_> = items.into_iter().map(item).collect();
            assert_eq!(status(&items), expected);
        }
        let items: Vec<_> = [Success, Failed, Failed].map(item).into();
        let message = error(&items).unwrap().message;
        assert_eq!(message, "2 of 3 items failed, the first is item 2: no");
    }
}
