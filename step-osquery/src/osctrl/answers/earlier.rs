//! Each node's last answer to a statement, so that only the rows that it did not have are sent.
//!
//! A distributed query runs once and has a name of its own, so a question that is asked again is another query. The
//! statement is what makes them the same question.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::contract::{Change, PollServices};
use crate::event::{digest_of, row_digest};
use crate::osctrl::api::OsctrlApi;
use crate::osquery::Row;
use crate::polling::{Poll, forget, remember};

/// The beginning of the keys under which answers are remembered.
const PREFIX: &str = "rows/";

/// The content of an answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Content {
    /// The time at which it came, by the server's clock.
    at: Timestamp,
    /// Digests of its rows.
    rows: BTreeSet<String>,
}

/// The last answers of this poll, which cannot be recalled yet.
#[derive(Default)]
pub(super) struct EarlierAnswers(HashMap<String, Content>);

impl EarlierAnswers {
    /// Returns the rows of an answer that the node's earlier one did not have, with the change to remember. The two
    /// have to be delivered together, and before anything else is compared.
    pub(super) async fn changed<S: PollServices>(
        &mut self,
        poll: &Poll<'_, S, OsctrlApi>,
        statement: &str,
        node: &str,
        at: Timestamp,
        mut rows: Vec<Row>,
    ) -> (Vec<Row>, Option<Change>) {
        let key = format!("{}{}", prefix(statement), short(node));
        let before = match self.0.get(&key) {
            Some(content) => Some(content.clone()),
            // An entry that cannot be parsed is forgotten: at worst rows are sent again.
            None => poll
                .recall(&key)
                .await
                .and_then(|text| serde_json::from_str(&text).ok()),
        };
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

/// Returns the changes that forget the answers to statements that no query has any more.
pub(super) async fn forget_all_but<'s, S: PollServices>(
    poll: &Poll<'_, S, OsctrlApi>,
    statements: impl Iterator<Item = &'s str>,
) -> Vec<Change> {
    let known: HashSet<String> = statements.map(prefix).collect();
    let others = poll.entries(PREFIX, |key, _| {
        let key = format!("{PREFIX}{key}");
        let (prefix, _) = key.rsplit_once('/')?;
        (!known.contains(&format!("{prefix}/"))).then_some(key)
    });
    others.await.into_iter().map(forget).collect()
}

/// Returns the beginning of the keys of answers to a statement.
fn prefix(statement: &str) -> String {
    format!("{PREFIX}{}/", short(statement.trim()))
}

fn short(text: &str) -> String {
    let mut digest = digest_of(&[text]);
    digest.truncate(16);
    digest
}
