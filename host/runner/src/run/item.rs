//! What became of each item of a step with `for_each`.

use serde::Serialize;
use serde_json::Value;

use crate::run::report::{StepError, StepStatus};
use crate::sandbox::plugin::Note;

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

impl ItemReport {
    /// The report as an element of the step's result. Results can be large, and are moved.
    pub(crate) fn into_value(mut self) -> Value {
        let result = self.result.take();
        let mut value = serde_json::to_value(&self).expect("an item's report has only texts as keys");
        if let Some(result) = result {
            value["result"] = result;
        }
        value
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
