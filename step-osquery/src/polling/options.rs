//! The options of a poll.

use serde::Deserialize;

/// The options of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Options {
    /// The treatment of everything that exists at the first poll.
    pub initial: Initial,
    /// The rows to send.
    pub rows: RowSelection,
    /// A host whose status changes twice within this many seconds is flapping; with 0, no host ever is.
    pub flap_window_seconds: u32,
    /// The number of reports that are read at once.
    pub concurrent_reports: usize,
}

/// The treatment of everything that exists at the first poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Initial {
    Emit,
    Skip,
}

/// The fetched rows that are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowSelection {
    /// All.
    All,
    /// Only those that the host's earlier answer to the query did not have.
    Changed,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            initial: Initial::Emit,
            rows: RowSelection::All,
            flap_window_seconds: 0,
            concurrent_reports: 8,
        }
    }
}
