//! The cursor of a report.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::polling::Trouble;

/// The beginning of the keys under which cursors are remembered.
pub(super) const PREFIX: &str = "report/";

/// Returns the key under which the cursor of a query's report is remembered.
pub(super) fn key(query: u64) -> String {
    format!("{PREFIX}{query}")
}

/// The position up to which a report has been read, and what is remembered with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReportCursor {
    /// The time up to which each host's rows have been read: microseconds since 1970, by the server's clock. One time
    /// for all hosts would lose the rows of a host that arrive after later ones of another host.
    pub(super) hosts: BTreeMap<u64, i64>,
    /// Digests of each host's rows, if only changed rows are sent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) rows: BTreeMap<u64, BTreeSet<String>>,
    /// The codes of the notices that have been sent and still hold.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) told: BTreeSet<String>,
    /// Set while the report cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failing: Option<Trouble>,
    /// Set if the first poll was to send nothing and could not read this report: rows up to then are not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) quiet: Option<Timestamp>,
    /// The number of runs that Fleet had counted when the report last moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) runs: Option<u64>,
    /// Set while the report stands still although there are runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stalled: Option<Trouble>,
}
