//! The cursor of a query's answers.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::owed::Owed;
use crate::osctrl::wire::QueryListed;
use crate::polling::Trouble;

/// The beginning of the keys under which cursors are remembered.
pub(super) const PREFIX: &str = "query/";

/// Returns the key under which the cursor of a query's answers is remembered.
pub(super) fn key(query: &str) -> String {
    format!("{PREFIX}{query}")
}

/// The position up to which a query's answers have been read, and what is remembered with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AnswersCursor {
    /// The number of answers that the server had counted when they were last read.
    pub(super) counted: u64,
    /// The time at which that number was seen to have grown, by the server's clock.
    pub(super) grown: Timestamp,
    /// True once the number has stayed the same for long enough since.
    pub(super) settled: bool,
    /// The time of the newest answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) newest: Option<Timestamp>,
    /// The nodes whose answers have been sent. A node can answer twice, and a server store each answer twice.
    pub(super) nodes: BTreeSet<String>,
    /// The nodes that have answered with an error, and may yet answer with rows.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) failed: BTreeSet<String>,
    /// True if the query was missing from the list of the last poll. One that is missing twice is gone; once, it may
    /// only have moved between pages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) unlisted: bool,
    /// Set while the answers cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failing: Option<Trouble>,
    /// Set if the first poll was to send nothing and could not read this query: answers up to then are not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) quiet: Option<Timestamp>,
    /// True if the query existed at the first poll, when counted answers may no longer have been stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) history: bool,
    /// The answers that were counted and cannot be read.
    #[serde(default)]
    pub(super) owed: Owed,
}

impl AnswersCursor {
    /// Returns true if answers may have been counted that cannot be read. Those that were just counted may only be
    /// late.
    pub(super) fn may_owe(&self, query: &QueryListed) -> bool {
        self.settled && self.owed.is_possible(query, self.nodes.len())
    }
}
