//! Everything that is checked before the first step of a run.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::language::condition::Decision;
use crate::language::params::{GrantError, Written};
use crate::language::playbook::Playbook;
use crate::language::references;
use crate::language::render::{Renderer, Values};
use crate::language::step::Step;
use crate::net::egress::Sessions;
use crate::run::report::SkipReason;
use crate::run::work::{Grants, Work};
use crate::runner::{RunInputs, Runner};
use crate::secrets::{Redactor, Vault};
use crate::text::diagnostic::{Code, Diagnostic, Diagnostics, suggestion};

/// A playbook with everything that could be checked before the first step checked.
///
/// It owns what it needs: it can be stored, sent to another thread, and run there.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) playbook: Arc<Playbook>,
    pub(crate) inputs: RunInputs,
    /// The variables, those with their defaults among them.
    pub(crate) vars: Map<String, Value>,
    pub(crate) vault: Vault,
    /// The sessions that its calls share.
    pub(crate) sessions: Sessions,
    pub(crate) outlooks: Vec<Outlook>,
}

/// What is known of a step before the run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outlook {
    /// Why it is skipped, if it is.
    pub(crate) skipped: Option<SkipReason>,
    /// Whether it runs, unless that depends on earlier results.
    pub(crate) decision: Option<Decision>,
    /// What it does, unless that depends on earlier results.
    pub(crate) work: Option<Work>,
}

impl Outlook {
    /// Whether the step runs if the run comes to it, as far as that is known, and calls a plugin.
    fn is_due(&self, step: &Step) -> bool {
        let runs = self.decision.is_none_or(|decision| decision == Decision::Runs);
        self.skipped.is_none() && runs && !step.only_branches()
    }
}

/// Whether a run asks servers. A run that asks none needs no certificate and nobody's permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Servers {
    Asked,
    Stubbed,
}

impl Prepared {
    /// Removes the secrets of the run from texts: those that its steps have resolved so far, and the tokens that servers have given.
    pub fn redactor(&self) -> Redactor {
        self.vault.redactor()
    }

    /// What the user must know of secrets that can be used and cannot be kept out of what is shown.
    pub fn warnings(&self) -> Vec<String> {
        self.vault.warnings()
    }

    /// What templates see once these steps have run.
    pub(crate) fn renderer(&self, results: &Map<String, Value>) -> Renderer {
        let values = Values {
            vars: Some(Value::Object(self.vars.clone())),
            run: Some(json!({"id": self.inputs.run_id})),
            alert: Some(self.inputs.alert.clone()),
            steps: Some(Value::Object(results.clone())),
        };
        Renderer::new(self.vault.clone(), values)
    }

    /// Grants calls what they may reach.
    pub(crate) fn grants<'a>(&'a self, runner: &'a Runner) -> Grants<'a> {
        Grants::new(&self.inputs.directory, runner.policy())
    }
}

impl Runner {
    /// Renders and validates all that does not depend on earlier results. Nothing is sent before this has succeeded.
    ///
    /// Conditions that do not depend on earlier results are decided here, and what they rule out is not rendered.
    pub fn prepare(&self, playbook: impl Into<Arc<Playbook>>, inputs: RunInputs) -> Result<Prepared, Diagnostics> {
        self.prepare_for(Servers::Asked, &playbook.into(), inputs)
    }

    /// Prepares a run that asks servers, or one that asks none.
    pub(crate) fn prepare_for(
        &self,
        servers: Servers,
        playbook: &Arc<Playbook>,
        inputs: RunInputs,
    ) -> Result<Prepared, Diagnostics> {
        let mut preparation = Preparation {
            runner: self,
            servers,
            playbook,
            broken: vec![false; playbook.steps.len()],
            problems: Diagnostics::default(),
        };
        preparation.check(&inputs);
        let outlooks = preparation.outlooks(&inputs);
        let vars = match preparation.fill_vars(&inputs, &outlooks) {
            Ok(vars) => vars,
            Err(wrong) => {
                preparation.problems.extend(wrong);
                return Err(preparation.problems.in_order());
            }
        };
        let mut prepared = Prepared {
            playbook: playbook.clone(),
            vars,
            vault: Vault::new(inputs.secrets.clone()),
            sessions: Sessions::default(),
            inputs,
            outlooks,
        };
        let renderer = prepared.renderer(&Map::new());
        let reachable = preparation.decide(&mut prepared.outlooks, &renderer);
        preparation.resolve_secrets(&prepared, &reachable);
        preparation.render(&mut prepared, &renderer, &reachable);
        preparation.problems.or(prepared)
    }
}

/// A preparation under way: what is wrong so far.
struct Preparation<'a> {
    runner: &'a Runner,
    servers: Servers,
    playbook: &'a Playbook,
    /// The steps in which something is wrong: that does not keep the others from being looked at further.
    broken: Vec<bool>,
    problems: Diagnostics,
}

impl Preparation<'_> {
    fn found(&mut self, at: usize, problems: Vec<Diagnostic>) {
        self.broken[at] |= !problems.is_empty();
        self.problems.extend(problems);
    }

    /// Checks what needs neither alert nor secrets, unless that was done when the file was read. It was not where the playbook
    /// was parsed without a runner, or read by one with other plugins or that skips what this run does not.
    fn check(&mut self, inputs: &RunInputs) {
        let playbook = self.playbook;
        if !self.runner.has_checked(playbook, inputs.skip_unknown_steps) {
            self.problems.extend(self.runner.check_flow(playbook));
            for at in 0..playbook.steps.len() {
                let wrong = self.runner.check_step(playbook, at, inputs.skip_unknown_steps);
                self.found(at, wrong);
            }
        }
        if let Some(only) = &inputs.only
            && !playbook.step_ids().any(|id| id == only)
        {
            let unknown = Diagnostic::error(Code::UnknownStep, format!("there is no step `{only}` to run"));
            self.problems
                .push(unknown.maybe_hint(suggestion(only, playbook.step_ids())));
        }
    }

    /// Which steps are skipped whatever their conditions say.
    fn outlooks(&self, inputs: &RunInputs) -> Vec<Outlook> {
        let outlook = |step| Outlook {
            skipped: self.skipped(step, inputs),
            ..Outlook::default()
        };
        self.playbook.steps.iter().map(outlook).collect()
    }

    fn skipped(&self, step: &Step, inputs: &RunInputs) -> Option<SkipReason> {
        if !self.playbook.enabled || !step.enabled {
            Some(SkipReason::Disabled)
        } else if inputs.only.as_ref().is_some_and(|only| *only != step.id) {
            Some(SkipReason::NotSelected)
        } else if self.runner.is_unknown(step) {
            Some(SkipReason::UnknownStepType)
        } else {
            None
        }
    }

    /// The variables with their defaults. Without declarations, those that were given are all there are.
    fn fill_vars(&mut self, inputs: &RunInputs, outlooks: &[Outlook]) -> Result<Map<String, Value>, Vec<Diagnostic>> {
        let playbook = self.playbook;
        let vars = playbook.vars.fill(&inputs.vars, &playbook.document)?;
        if playbook.vars.names().is_none() {
            let known: Vec<&str> = vars.keys().map(String::as_str).collect();
            for (at, _) in outlooks
                .iter()
                .enumerate()
                .filter(|(_, outlook)| outlook.skipped.is_none())
            {
                self.found(at, references::check_vars(playbook, at, &known));
            }
        }
        Ok(vars)
    }

    /// Decides the conditions that depend on no result, and returns which steps the run may come to.
    ///
    /// A decision can rule out steps whose own conditions could not even be asked, so they are asked on the way.
    fn decide(&mut self, outlooks: &mut [Outlook], renderer: &Renderer) -> Vec<bool> {
        let playbook = self.playbook;
        let skipped: Vec<bool> = outlooks.iter().map(|outlook| outlook.skipped.is_some()).collect();
        playbook.flow.passing_over(|at| skipped[at]).walk(0, |at| {
            let step = &playbook.steps[at];
            if skipped[at] || self.broken[at] || step.gate.needs_results() {
                return None;
            }
            match step.gate.decide(&playbook.document, renderer) {
                Ok(decision) => {
                    outlooks[at].decision = Some(decision);
                    Some(decision == Decision::Runs)
                }
                Err(problem) => {
                    self.problems.push(problem);
                    None
                }
            }
        })
    }

    /// Renders what the steps that run are to do.
    fn render(&mut self, prepared: &mut Prepared, renderer: &Renderer, reachable: &[bool]) {
        let directory = prepared.inputs.directory.clone();
        let mut grants = match self.servers {
            Servers::Asked => Grants::new(&directory, self.runner.policy()),
            Servers::Stubbed => Grants::none(),
        };
        for (at, step) in self.playbook.steps.iter().enumerate() {
            let outlook = &mut prepared.outlooks[at];
            if reachable[at] && outlook.is_due(step) && !self.broken[at] {
                outlook.work = self.work(step, renderer, &mut grants);
            }
        }
    }

    /// Resolves the secrets of the steps that run, all before the first of them is rendered: what is said of one must not show
    /// the secrets of another.
    fn resolve_secrets(&mut self, prepared: &Prepared, reachable: &[bool]) {
        prepared.vault.keep_names(self.runner.names(self.playbook));
        for (at, step) in self.playbook.steps.iter().enumerate() {
            if !reachable[at] || !prepared.outlooks[at].is_due(step) || self.broken[at] {
                continue;
            }
            let (_, step_type) = self.runner.provider(&step.kind).expect("it would be skipped otherwise");
            let written = Written::of_step(&self.playbook.document, step, &step_type.params);
            self.found(at, written.resolve(&prepared.vault));
        }
    }

    /// What a step is to do, unless that depends on earlier results.
    fn work(&mut self, step: &Step, renderer: &Renderer, grants: &mut Grants<'_>) -> Option<Work> {
        let document = &self.playbook.document;
        let (_, step_type) = self.runner.provider(&step.kind).expect("it would be skipped otherwise");
        let written = Written::of_step(document, step, &step_type.params);
        if step.needs_results() {
            // Which server it asks depends on no result.
            let origin = written.origin(renderer).filter(|_| self.servers == Servers::Asked);
            let refusal = origin.and_then(|origin| self.runner.policy().check(&origin).err());
            let refusal = refusal.map(|error| written.refused(&GrantError::from(error)));
            self.problems.extend(refusal);
            return None;
        }
        match Work::render(document, step, step_type, renderer, grants) {
            Ok(work) => {
                self.problems.extend(work.refused().map(|error| written.refused(error)));
                Some(work)
            }
            Err(found) => {
                self.problems.extend(found);
                None
            }
        }
    }
}
