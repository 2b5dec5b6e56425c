//! Answers of hosts, and the outcome of a step.

use serde_json::Value;

use crate::osquery::Row;

/// The outcome of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The documented result.
    pub result: Value,
    /// True if a host is missing from the results.
    pub partial: bool,
    /// Remarks by target name.
    pub notes: Vec<(String, String)>,
}

/// The fleet manager's knowledge of a host before it is asked.
#[derive(Debug, Clone, Default)]
pub struct Sighting {
    /// The identity of the host, and its status.
    pub state: String,
    /// The remark if it never answers.
    pub excuse: String,
}

/// The answer of a host.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Rows, perhaps none.
    Rows(Vec<Row>),
    /// The query failed for this reason.
    Failed(String),
    /// None, for this reason, and there is no point in waiting longer.
    TimedOut(String),
}
