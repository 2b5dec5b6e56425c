//! The playbook file.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::language::condition::Gate;
use crate::language::flow::Flow;
use crate::language::for_each::ForEach;
use crate::language::render::{Mentions, Problem, Scope};
use crate::language::vars::Vars;
use crate::run::report::PlaybookName;
use crate::text::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::text::document::Document;
use crate::text::source::Source;

mod read;
mod texts;

/// The step type that only branches. It is the runner's own.
pub(crate) const CONDITION: &str = "condition";

/// A parsed playbook, ready to be prepared for a run.
#[derive(Debug, Clone)]
pub struct Playbook {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) vars: Vars,
    pub(crate) steps: Vec<Step>,
    /// Where a run goes from step to step.
    pub(crate) flow: Flow,
    /// Whether all steps could be read, so that it is known which there are.
    pub(crate) complete: bool,
    pub(crate) document: Document,
}

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

    /// Which names the templates of its params may use.
    pub(crate) fn scope(&self) -> Scope {
        match &self.for_each {
            Some(ForEach { untrusted, .. }) => Scope::Item { untrusted: *untrusted },
            None => Scope::Roots,
        }
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

impl Playbook {
    /// The names of the secrets that its steps use.
    pub fn secret_names(&self) -> BTreeSet<String> {
        let mentions = self.steps.iter().flat_map(Step::mentions);
        let secrets = mentions.flat_map(|(_, mentions)| &mentions.secrets);
        secrets.map(|(name, _)| name.clone()).collect()
    }

    /// What it is called.
    pub fn title(&self) -> PlaybookName {
        PlaybookName {
            id: self.id.clone(),
            name: self.name.clone(),
        }
    }

    /// Reads a playbook: a map with `steps`, a bare list of steps, or a single step.
    ///
    /// `name` is what messages call the text. All problems are reported, not the first only. Problems of templates and
    /// conditions are [`Runner::check`](crate::Runner::check)'s to report, which knows the step types.
    pub fn parse(name: &str, text: &str) -> Result<Self, Diagnostics> {
        let (document, problems) = Document::parse(Source::new(name, text))?;
        let (playbook, mut problems) = Self::read(document, problems);
        if !problems.is_empty() {
            // It cannot be run as it is, so everything that is known to be wrong is told.
            problems.extend(playbook.steps.iter().flat_map(|step| step.problems.clone()));
        }
        problems.or(playbook)
    }

    /// What could be read, and its problems besides those of templates and conditions; with any it is not fit to be run.
    pub(crate) fn read(document: Document, problems: Diagnostics) -> (Self, Diagnostics) {
        read::playbook(document, problems)
    }

    /// Its id, if it has one.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The ids of its steps, in order.
    pub fn step_ids(&self) -> impl Iterator<Item = &str> + Clone {
        self.steps.iter().map(|step| step.id.as_str())
    }
}

/// A template's problem as a diagnostic, pointing inside the text at `pointer`.
pub(crate) fn locate(document: &Document, pointer: &str, problem: Problem) -> Diagnostic {
    let place = Place::bytes(document.source().clone(), document.span_within(pointer, problem.range));
    Diagnostic::error(problem.code, problem.message)
        .at(place)
        .maybe_hint(problem.hint)
}
