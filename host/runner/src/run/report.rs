//! What a run leaves behind: the object that `--output json` prints. Its shape is part of the interface.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::language::params::GrantError;
use crate::language::playbook::PlaybookName;
use crate::sandbox::plugin::{Note, StepOutcome};

/// A finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunReport {
    /// Names this run; `UUIDv7` unless the caller chose otherwise.
    pub run_id: String,
    /// What was run.
    pub playbook: PlaybookName,
    /// How it ended.
    pub status: RunStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What became of each step, in the playbook's order.
    pub steps: Vec<StepReport>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RunStatus {
    /// Every step succeeded.
    Success,
    /// A step failed, whether or not the run went on after it.
    Failed,
    /// Every step ended well, and something that was asked for is missing.
    Partial,
    /// The run was asked to stop. What had come by then is in the report.
    #[serde(alias = "cancelled")]
    Interrupted,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepReport {
    /// Its id.
    pub id: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub step_type: String,
    /// How it ended.
    pub status: StepStatus,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<SkipReason>,
    /// What its condition decided, and where the run went on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<Branch>,
    /// For a step with `for_each`, how many items its list had. Its result is then a list with an entry for each item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<usize>,
    /// When it began; none if it was not started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// How many calls were made, retries and all items included.
    pub attempts: u32,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What it returned.
    pub result: Option<Value>,
    /// Why it failed.
    pub error: Option<StepError>,
    /// Remarks for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StepStatus {
    /// It returned all that was asked for.
    Success,
    /// It returned, and something that was asked for is missing.
    Partial,
    /// It failed.
    Failed,
    /// It was not started.
    Skipped,
}

/// Why a step was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SkipReason {
    /// Its `when` does not hold.
    When,
    /// Its `condition` does not hold.
    Condition,
    /// It, or the whole playbook, has `enabled: false`.
    Disabled,
    /// The run went on elsewhere.
    NotReached,
    /// An earlier step failed, and the run ended there.
    Aborted,
    /// The run was asked to stop.
    #[serde(alias = "cancelled")]
    Interrupted,
    /// No loaded plugin provides its type, and such steps were to be skipped.
    UnknownStepType,
    /// Another step was to run alone.
    NotSelected,
}

/// What a condition decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Branch {
    /// Whether it holds.
    pub holds: bool,
    /// The id of the step that the run went on with; none if it is the next in the file, or the end.
    pub next: Option<String>,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepError {
    /// A stable word for programs: a failure kind of the contract (`auth`, `unavailable`, …), `plugin` when the plugin
    /// itself misbehaved, or `invalid-input` when the step's params or its condition could not be made.
    pub kind: Cow<'static, str>,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// A call that failed or was stopped, and what it had published by then.
#[derive(Debug, Clone)]
pub(crate) struct CallFailure {
    pub(crate) error: StepError,
    pub(crate) outcome: Option<StepOutcome>,
}

impl From<StepError> for CallFailure {
    fn from(error: StepError) -> Self {
        Self { error, outcome: None }
    }
}

pub(crate) fn invalid_input(message: String) -> StepError {
    StepError {
        kind: "invalid-input".into(),
        message,
        hint: None,
    }
}

impl StepError {
    /// Adds to what to do next.
    pub(crate) fn add_hint(&mut self, more: &str) {
        self.hint = Some(match self.hint.take() {
            Some(hint) => format!("{hint}; {more}"),
            None => more.to_owned(),
        });
    }
}

impl From<&GrantError> for StepError {
    fn from(error: &GrantError) -> Self {
        let hint = match error {
            GrantError::Policy(error) => Some(error.hint().to_owned()),
            GrantError::Exposed { path, .. } => Some(format!("run `chmod 600 {path}`")),
            _ => None,
        };
        Self {
            hint,
            ..invalid_input(error.to_string())
        }
    }
}
