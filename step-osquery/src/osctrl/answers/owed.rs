//! Answers that osctrl has counted and that cannot be read.
//!
//! osctrl counts an answer before it stores it, and storing can fail. A count above the number of nodes that were read
//! means little by itself: a node that answers twice is counted twice, and so is one that was not asked. So the server
//! is asked how many answers it has stored, whichever node they are from; if it has counted more, the difference is
//! owed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::osctrl::wire::QueryListed;
use crate::polling::Trouble;

/// The answers that a query owes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owed {
    /// The count up to which no answer is owed, or none that is still waited for.
    #[serde(default)]
    settled: u64,
    /// The number of answers that are not waited for: they were owed before the first poll.
    #[serde(default)]
    forgiven: u64,
    /// The number that was stored when answers were found to be owed.
    #[serde(default)]
    stored: u64,
    /// Set while answers are owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trouble: Option<Trouble>,
}

/// A change in what a query owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwedChange {
    /// None that is worth a notice.
    None,
    /// Answers have been owed for a while.
    Stalled { owed: u64, since: Timestamp },
    /// The answers that were owed since then have come.
    Moving { since: Timestamp },
}

impl Owed {
    /// Returns true if a query may owe answers, of which those of this many nodes have been read.
    pub(super) fn is_possible(&self, query: &QueryListed, nodes: usize) -> bool {
        query.executions > nodes as u64 && query.executions != self.settled
    }

    /// Returns true if answers have been stored since some were found to be owed.
    pub(super) fn has_moved(&self, stored: u64) -> bool {
        self.trouble.is_none() || stored != self.stored
    }

    /// Stops waiting for the answers that are owed now.
    pub(super) fn forgive(&mut self, query: &QueryListed, stored: u64) {
        self.settled = query.executions;
        self.forgiven = query.executions.saturating_sub(stored);
    }

    /// Records that no answer is owed any more.
    pub(super) fn clear(&mut self) -> OwedChange {
        match Trouble::end(&mut self.trouble) {
            Some(trouble) => OwedChange::Moving { since: trouble.since },
            None => OwedChange::None,
        }
    }

    /// Compares the number of answers that were counted with the number that is stored.
    pub(super) fn compare(&mut self, query: &QueryListed, stored: u64, now: Timestamp) -> OwedChange {
        let owed = query.executions.saturating_sub(stored).saturating_sub(self.forgiven);
        self.stored = stored;
        if owed == 0 {
            self.settled = query.executions;
            return self.clear();
        }
        match Trouble::count(&mut self.trouble, now) {
            Some(trouble) => OwedChange::Stalled {
                owed,
                since: trouble.since,
            },
            None => OwedChange::None,
        }
    }
}
