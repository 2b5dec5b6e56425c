//! Answers of hosts, and the outcome of a step.

use crate::osquery::Row;

/// The outcome of a step, beside what was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Remarks on the hosts that did not answer, by target name.
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
