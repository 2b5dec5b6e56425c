//! Each node's last answer to a statement, so that only the rows that it did not have are sent.
//!
//! A distributed query runs once and has a name of its own, so a question that is asked again is another query. The
//! statement is what makes them the same question.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::contract::Change;
use crate::event::{digest_of, row_digest};
use crate::osquery::Row;
use crate::polling::remember;

/// The beginning of the keys under which answers are remembered.
pub(super) const PREFIX: &str = "rows/";

/// The content of an answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Content {
    /// The time at which it came, by the server's clock.
    at: Timestamp,
    /// Digests of its rows.
    rows: BTreeSet<String>,
}

/// The last answers of this poll, which cannot be recalled yet.
#[derive(Default)]
pub(super) struct EarlierAnswers(HashMap<String, Content>);

impl EarlierAnswers {
    /// Returns the content of an answer that this poll has sent, if there is one under this key.
    pub(super) fn sent(&self, key: &str) -> Option<Content> {
        self.0.get(key).cloned()
    }

    /// Returns the rows of an answer that the node's earlier one did not have, with the change to remember. The two have to
    /// be delivered together, and before anything else is compared.
    pub(super) fn changed(
        &mut self,
        key: String,
        before: Option<Content>,
        at: Timestamp,
        mut rows: Vec<Row>,
    ) -> (Vec<Row>, Option<Change>) {
        let now = Content {
            at,
            rows: rows.iter().map(row_digest).collect(),
        };
        let Some(before) = before else {
            return (rows, Some(self.remember(key, now)));
        };
        rows.retain(|row| !before.rows.contains(&row_digest(row)));
        // An answer that was stored late is older than the known one.
        let change = (before.at <= at).then(|| self.remember(key, now));
        (rows, change)
    }

    fn remember(&mut self, key: String, content: Content) -> Change {
        let change = remember(key.clone(), &content);
        self.0.insert(key, content);
        change
    }
}

/// Returns the key of a node's last answer to a statement.
pub(super) fn key(statement: &str, node: &str) -> String {
    format!("{}{}", prefix(statement), short(node))
}

/// Returns the beginning of the keys of answers to a statement.
pub(super) fn prefix(statement: &str) -> String {
    format!("{PREFIX}{}/", short(statement.trim()))
}

fn short(text: &str) -> String {
    let mut digest = digest_of(&[text]);
    digest.truncate(16);
    digest
}
