//! A distributed query, its counters, and the answers that were stored.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

/// A distributed query.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "the flags that the real server keeps")]
pub struct Query {
    /// Its number, which no route takes.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Who made it.
    pub creator: String,
    /// When.
    pub created_at: Timestamp,
    /// The statement.
    pub sql: String,
    /// The body of the request that made it, as it came; null if a script made it.
    pub request: Value,
    /// The nodes it is for, one entry each time they were selected.
    pub nodes: Vec<u64>,
    /// What selected them: type and value.
    pub targets: Vec<(String, String)>,
    /// How many answers are expected.
    pub expected: usize,
    /// How many succeeded.
    pub executions: usize,
    /// How many failed.
    pub errors: usize,
    /// Whether lists leave it out unless they are asked for such.
    pub hidden: bool,
    /// Whether it has ended because every node has answered.
    pub completed: bool,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Whether it was expired.
    pub expired: bool,
    pub(super) active: bool,
    pub(super) expiration: Option<Timestamp>,
    /// Whether its answers come when a script says so.
    pub(super) scripted: bool,
    /// The nodes whose answers were processed.
    pub(super) answered: BTreeSet<u64>,
    /// What can be read.
    pub(super) answers: Vec<Answer>,
    /// What was counted, and can be read once a script says so.
    pub(super) late: Vec<Answer>,
}

/// A stored answer of a node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) id: u64,
    pub(super) created_at: Timestamp,
    pub(super) uuid: String,
    pub(super) status: i32,
    pub(super) data: String,
}

impl Query {
    /// Whether nodes still get it and answer it by themselves.
    pub fn is_delivered(&self) -> bool {
        !self.scripted && self.active && !self.expired && self.pending() > 0
    }

    /// Selections that have not been answered. A node that was selected twice leaves one for ever.
    fn pending(&self) -> usize {
        if self.expired {
            0
        } else {
            self.nodes.len() - self.answered.len()
        }
    }

    /// Counts an answer. `settles` is the node that need not be sent the query again; a stranger settles nothing.
    pub(super) fn count(&mut self, status: i32, settles: Option<u64>, sets_completed: bool) {
        if status == 0 {
            self.executions += 1;
        } else {
            self.errors += 1;
        }
        let Some(node) = settles.filter(|node| self.nodes.contains(node)) else {
            return;
        };
        self.answered.insert(node);
        if sets_completed && self.pending() == 0 {
            self.complete();
        }
    }

    pub(super) fn complete(&mut self) {
        (self.active, self.completed) = (false, true);
    }

    pub(super) fn expire(&mut self) {
        (self.active, self.expired) = (false, true);
    }

    /// Marks it. Its answers stay.
    pub(super) fn delete(&mut self) {
        (self.active, self.deleted) = (false, true);
    }
}
