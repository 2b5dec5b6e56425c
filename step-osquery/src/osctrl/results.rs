//! The stored answers to a query, as the route of results gives them.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::wire::{ResultData, ResultItem};
use crate::live_query::Answer;
use crate::osquery::text_row;

/// The number of answers on a page. One answer can be large.
pub(super) const PAGE_SIZE: usize = 100;

/// The time before the newest answer at which reading starts again: answers are stamped before they can be read.
pub(super) const OVERLAP: SignedDuration = SignedDuration::from_secs(60);

/// Returns the filter for answers from a little before the newest one on, or for all answers without one.
pub(super) fn since(newest: Option<Timestamp>) -> String {
    match newest.map(|newest| newest.saturating_sub(OVERLAP)) {
        Some(Ok(since)) => format!("&since={since}"),
        _ => String::new(),
    }
}

/// Reads an answer.
pub(super) fn answer(item: &ResultItem) -> Answer {
    let unreadable =
        || Answer::Failed("osctrl stored an answer of this host that is not what its protocol says".into());
    let Ok(data) = serde_json::from_str::<ResultData>(&item.data) else {
        return unreadable();
    };
    if item.status != 0 {
        let message = data.message.filter(|message| !message.is_empty());
        return Answer::Failed(
            message.unwrap_or_else(|| "the query failed on this host, and its agent did not say why".into()),
        );
    }
    let rows = match data.result {
        Value::Null => Vec::new(),
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::Array(rows) => rows,
        _ => return unreadable(),
    };
    let rows: Option<Vec<_>> = rows
        .into_iter()
        .map(|row| match row {
            Value::Object(row) => Some(text_row(row)),
            _ => None,
        })
        .collect();
    rows.map_or_else(unreadable, Answer::Rows)
}
