//! The answers to a query, as they come to be known by reading them again and again.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::distributed_query::Started;
use super::{LiveQuery, NodeUuid};
use crate::contract::Failure;
use crate::contract::{Level, Services};
use crate::live_query::{Answer, text_row};
use crate::osctrl::wire::{ResultData, ResultItem, ResultsPage};

/// Answers on a page. One answer can be large.
pub(in crate::osctrl) const PAGE: usize = 100;

/// How far behind the newest answer reading starts again: answers are stamped before they can be read.
pub(in crate::osctrl) const OVERLAP: SignedDuration = SignedDuration::from_secs(60);

/// What has been read so far.
#[derive(Default)]
pub(super) struct Answers {
    by_node: BTreeMap<NodeUuid, Latest>,
    /// Answers read, those of strangers and repetitions included.
    ids: HashSet<u64>,
    /// Nodes that answered and were not asked.
    strangers: HashSet<NodeUuid>,
    errors: usize,
    newest: Option<Timestamp>,
}

struct Latest {
    created_at: Timestamp,
    id: u64,
    answer: Answer,
}

impl Answers {
    /// Reads what is new. `from_the_start` reads everything again.
    pub(super) async fn read<S: Services>(
        &mut self,
        query: &LiveQuery<'_, S>,
        started: &Started,
        from_the_start: bool,
    ) -> Result<(), Failure> {
        let since = self
            .newest
            .filter(|_| !from_the_start)
            .map(|newest| newest.saturating_sub(OVERLAP));
        let since = match since {
            Some(Ok(since)) => format!("&since={since}"),
            _ => String::new(),
        };
        for number in 1.. {
            let route = format!("{}?page={number}&page_size={PAGE}{since}", started.results);
            let page: ResultsPage = query.session.get(&route).await?;
            for item in page.items {
                self.take(query, &item);
            }
            if number >= page.total_pages {
                break;
            }
        }
        Ok(())
    }

    fn take<S: Services>(&mut self, query: &LiveQuery<'_, S>, item: &ResultItem) {
        if !self.ids.insert(item.id) {
            return;
        }
        self.errors += usize::from(item.status != 0);
        self.newest = self.newest.max(Some(item.created_at));
        let node = item.uuid.to_uppercase();
        if !query.tally.borrow().knows(&node) {
            // Any agent of the environment can answer any query.
            query.services.log(
                Level::Debug,
                &format!("dropped an answer of node {}, which was not asked", node.escape_debug()),
            );
            self.strangers.insert(node);
            return;
        }
        let latest = Latest {
            created_at: item.created_at,
            id: item.id,
            answer: answer(item),
        };
        match self.by_node.get(&node) {
            Some(known) if (known.created_at, known.id) >= (latest.created_at, latest.id) => {}
            _ => {
                query.tell_part(&node, query.part(&latest.answer));
                self.by_node.insert(node, latest);
            }
        }
    }

    /// How many of the nodes have answered.
    pub(super) fn nodes(&self) -> usize {
        self.by_node.len()
    }

    /// How many nodes have answered, asked or not.
    pub(super) fn voices(&self) -> usize {
        self.by_node.len() + self.strangers.len()
    }

    /// How many answers were read, whoever's they were. A node can answer twice, and a server store each answer twice.
    pub(super) fn read_so_far(&self) -> usize {
        self.ids.len()
    }

    /// How many of those were errors.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// Each node's last answer.
    pub(super) fn into_last(self) -> impl Iterator<Item = (NodeUuid, Answer)> {
        self.by_node.into_iter().map(|(node, latest)| (node, latest.answer))
    }
}

/// What a node said.
pub(in crate::osctrl) fn answer(item: &ResultItem) -> Answer {
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
