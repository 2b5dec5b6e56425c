//! Answers that osctrl has counted and that cannot be read.
//!
//! osctrl counts an answer before it stores it, and storing can fail. More counted than nodes were read means little by itself:
//! a node that answers twice is counted twice, and so is one that was not asked. So the server is asked how many answers it
//! has stored, whoever's they are; fewer than it has counted are owed.

use serde::{Deserialize, Serialize};

use crate::osctrl::wire::QueryListed;
use crate::polling::trouble::Trouble;

/// What a query owes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owed {
    /// The count up to which nothing is owed, or nothing that is waited for.
    #[serde(default)]
    settled: u64,
    /// Answers that are not waited for: they were owed before anybody watched.
    #[serde(default)]
    forgiven: u64,
    /// How many were stored when something was found to be owed.
    #[serde(default)]
    stored: u64,
    /// For how long something has been owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trouble: Option<Trouble>,
}

/// What there is to say of what a query owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    None,
    /// Something has been owed for a while.
    Stalled {
        owed: u64,
        since: jiff::Timestamp,
    },
    /// What was owed since then has come.
    Moving {
        since: jiff::Timestamp,
    },
}

impl Owed {
    /// Whether a query of which so many nodes have been read may owe something.
    pub(super) fn is_possible(&self, query: &QueryListed, nodes: usize) -> bool {
        query.executions > nodes as u64 && query.executions != self.settled
    }

    /// Whether answers have been stored since some were found to be owed.
    pub(super) fn has_moved(&self, stored: u64) -> bool {
        self.trouble.is_none() || stored != self.stored
    }

    /// Waits for nothing that is owed now.
    pub(super) fn forgive(&mut self, query: &QueryListed, stored: u64) {
        self.settled = query.executions;
        self.forgiven = query.executions.saturating_sub(stored);
    }

    /// Nothing is owed any more.
    pub(super) fn nothing(&mut self) -> News {
        match Trouble::end(&mut self.trouble) {
            Some(trouble) => News::Moving { since: trouble.since },
            None => News::None,
        }
    }

    /// Compares what was counted with what is stored.
    pub(super) fn judge(&mut self, query: &QueryListed, stored: u64, now: jiff::Timestamp) -> News {
        let owed = query.executions.saturating_sub(stored).saturating_sub(self.forgiven);
        self.stored = stored;
        if owed == 0 {
            self.settled = query.executions;
            return self.nothing();
        }
        match Trouble::count(&mut self.trouble, now) {
            Some(trouble) => News::Stalled {
                owed,
                since: trouble.since,
            },
            None => News::None,
        }
    }
}
