//! The answers to a query, collected by reading them again and again.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;

use crate::contract::{Failure, Level, Services};
use crate::live_query::LiveQuery;
use crate::osctrl::api::OsctrlApi;
use crate::osctrl::node_uuid::NodeUuid;
use crate::osctrl::results::{PAGE_SIZE, answer, since};
use crate::osctrl::wire::{ResultItem, ResultsPage};

/// The answers that have been read so far.
#[derive(Default)]
pub(super) struct CollectedAnswers {
    by_node: BTreeMap<NodeUuid, Latest>,
    /// The ids of the answers read, those of nodes that were not asked and repetitions included.
    ids: HashSet<u64>,
    /// The nodes that answered and were not asked.
    strangers: HashSet<NodeUuid>,
    errors: usize,
    newest: Option<Timestamp>,
}

struct Latest {
    created_at: Timestamp,
    id: u64,
}

impl CollectedAnswers {
    /// Reads the new answers from their route. `from_the_start` reads all of them again.
    pub(super) async fn read<S: Services>(
        &mut self,
        query: &LiveQuery<'_, S, OsctrlApi>,
        route: &str,
        from_the_start: bool,
    ) -> Result<(), Failure> {
        let since = since(self.newest.filter(|_| !from_the_start));
        for number in 1.. {
            let page = format!("{route}?page={number}&page_size={PAGE_SIZE}{since}");
            let page: ResultsPage = query.session.get(&page).await?;
            for item in page.items {
                self.take(query, &item);
            }
            if number >= page.total_pages {
                break;
            }
        }
        Ok(())
    }

    fn take<S: Services>(&mut self, query: &LiveQuery<'_, S, OsctrlApi>, item: &ResultItem) {
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
        };
        match self.by_node.get(&node) {
            Some(known) if (known.created_at, known.id) >= (latest.created_at, latest.id) => {}
            _ => {
                query.publish(&node, answer(item));
                self.by_node.insert(node, latest);
            }
        }
    }

    /// Returns how many of the nodes that were asked have answered.
    pub(super) fn nodes(&self) -> usize {
        self.by_node.len()
    }

    /// Returns how many nodes have answered, asked or not.
    pub(super) fn all_nodes(&self) -> usize {
        self.by_node.len() + self.strangers.len()
    }

    /// Returns how many answers were read, whichever node they are from. A node can answer twice, and a server store
    /// each answer twice.
    pub(super) fn read_so_far(&self) -> usize {
        self.ids.len()
    }

    /// Returns how many of those were errors.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// Returns the nodes that have answered. The last answer of each was published last.
    pub(super) fn answered(&self) -> impl Iterator<Item = &NodeUuid> {
        self.by_node.keys()
    }
}
