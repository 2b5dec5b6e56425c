//! One step of a playbook, as it was written.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::language::condition::Gate;
use crate::language::for_each::ForEach;
use crate::language::render::Mentions;
use crate::text::diagnostic::Diagnostic;

/// The step type that only branches. It is the runner's own.
pub(crate) const CONDITION: &str = "condition";

/// One step.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) kind: String,
    pub(crate) params: Map<String, Value>,
    pub(crate) enabled: bool,
    /// What has to hold for it to run.
    pub(crate) gate: Gate,
    /// Whether it has a gate, be it one that could not be read.
    pub(crate) gated: bool,
    /// The step to go on with after it ran and did not fail.
    pub(crate) next_true: Option<String>,
    /// The step to go on with when its gate does not hold.
    pub(crate) next_false: Option<String>,
    pub(crate) on_failure: OnFailure,
    /// How often a failed call is made again.
    pub(crate) retry_max: u32,
    /// How long all of it may take, retries included.
    pub(crate) timeout: Option<Duration>,
    pub(crate) for_each: Option<ForEach>,
    /// What the templates of its params and of `for_each` look at, and where they stand as JSON pointers.
    pub(crate) inputs: Vec<(String, Mentions)>,
    /// What is wrong with its templates and conditions. It does not matter in a step that is skipped for its type.
    pub(crate) problems: Vec<Diagnostic>,
    /// Where the step stands in the document, as a JSON pointer.
    pub(crate) pointer: String,
}

/// What a failed step means for the steps after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OnFailure {
    /// They are skipped.
    #[default]
    Abort,
    /// They run; the run still ends as failed.
    Continue,
}

impl Step {
    /// Whether it only branches.
    pub(crate) fn only_branches(&self) -> bool {
        self.kind == CONDITION
    }

    /// Whether its params or its list look at the results of earlier steps.
    pub(crate) fn needs_results(&self) -> bool {
        self.inputs.iter().any(|(_, mentions)| mentions.needs_results())
    }

    /// Everything that its templates and conditions look at, and where they stand as JSON pointers.
    pub(crate) fn mentions(&self) -> impl Iterator<Item = (&str, &Mentions)> {
        let gate = self.gate.parts();
        let gate = gate.map(|(_, condition)| (condition.pointer(), &condition.mentions));
        let inputs = self.inputs.iter();
        inputs
            .map(|(pointer, mentions)| (pointer.as_str(), mentions))
            .chain(gate)
    }
}

/// The most attempts after the first.
pub(crate) const MOST_RETRIES: u32 = 10;
