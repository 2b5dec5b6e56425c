//! What each node's last answer to a statement held, so that only the rows that it did not have are told.
//!
//! A distributed query is run once and has a name of its own, so that a question that is asked again is another query. What
//! makes them the same question is the statement.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::contract::{Change, Feeds};
use crate::event::{content, key as hash};
use crate::exports::connectors::{Poll, forget, remember};
use crate::live_query::Row;
use crate::osctrl::api::OsctrlApi;

/// What the keys of answers begin with.
const ROWS: &str = "rows/";

/// What an answer held.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Held {
    /// When it came, by the server's clock.
    at: Timestamp,
    rows: BTreeSet<String>,
}

/// The last answers of this poll, before they can be recalled.
#[derive(Default)]
pub(super) struct Earlier(HashMap<String, Held>);

impl Earlier {
    /// Leaves of an answer the rows that the node's earlier one did not have. Returns them with what is to be remembered; the
    /// two have to be handed over together, and before anything else is compared.
    pub(super) async fn changed<S: Feeds>(
        &mut self,
        poll: &Poll<'_, S, OsctrlApi>,
        statement: &str,
        node: &str,
        at: Timestamp,
        mut rows: Vec<Row>,
    ) -> (Vec<Row>, Option<Change>) {
        let key = format!("{}{}", prefix(statement), short(node));
        let before = match self.0.get(&key) {
            Some(held) => Some(held.clone()),
            // What is not understood is forgotten: at worst rows are told again.
            None => poll
                .recall(&key)
                .await
                .and_then(|text| serde_json::from_str(&text).ok()),
        };
        let now = Held {
            at,
            rows: rows.iter().map(content).collect(),
        };
        let Some(before) = before else {
            return (rows, Some(self.remember(key, now)));
        };
        rows.retain(|row| !before.rows.contains(&content(row)));
        // An answer that was stored late is older than the one that is known.
        let change = (before.at <= at).then(|| self.remember(key, now));
        (rows, change)
    }

    fn remember(&mut self, key: String, held: Held) -> Change {
        let change = remember(key.clone(), &held);
        self.0.insert(key, held);
        change
    }
}

/// Forgets the answers to statements that no query has any more.
pub(super) async fn forget_all_but<'s, S: Feeds>(
    poll: &Poll<'_, S, OsctrlApi>,
    statements: impl Iterator<Item = &'s str>,
) -> Vec<Change> {
    let known: HashSet<String> = statements.map(prefix).collect();
    let others = poll.entries(ROWS, |key, _| {
        let key = format!("{ROWS}{key}");
        let (prefix, _) = key.rsplit_once('/')?;
        (!known.contains(&format!("{prefix}/"))).then_some(key)
    });
    others.await.into_iter().map(forget).collect()
}

/// What the keys of answers to a statement begin with.
fn prefix(statement: &str) -> String {
    format!("{ROWS}{}/", short(statement.trim()))
}

fn short(text: &str) -> String {
    let mut hash = hash(&[text]);
    hash.truncate(16);
    hash
}
