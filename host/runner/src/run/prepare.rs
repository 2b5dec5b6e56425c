//! Everything that is checked before the first step of a run.

use serde_json::{Map, Value, json};

use crate::language::condition::Decision;
use crate::language::params::{GrantError, Written};
use crate::language::playbook::Playbook;
use crate::language::references;
use crate::language::render::Renderer;
use crate::run::report::SkipReason;
use crate::run::work::Work;
use crate::runner::{RunInputs, Runner};
use crate::secrets::Vault;
use crate::text::diagnostic::{Code, Diagnostic, Diagnostics, suggestion};

/// A playbook with everything that could be checked before the first step checked.
pub struct Prepared<'p> {
    pub(crate) playbook: &'p Playbook,
    pub(crate) inputs: RunInputs,
    /// The variables, those with their defaults among them.
    pub(crate) vars: Map<String, Value>,
    pub(crate) vault: Vault,
    pub(crate) outlooks: Vec<Outlook>,
}

/// What is known of a step before the run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outlook {
    /// Why it is passed over, if it is.
    pub(crate) passed: Option<SkipReason>,
    /// Whether it runs, as far as that does not hang on earlier results.
    pub(crate) decision: Option<Decision>,
    /// What it does, if that does not hang on earlier results.
    pub(crate) work: Option<Work>,
}

/// Whether a run asks servers. A run that asks none needs no certificate and nobody's permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Servers {
    Asked,
    Stubbed,
}

impl Prepared<'_> {
    /// What templates see once these steps have run.
    pub(crate) fn renderer(&self, results: &Map<String, Value>) -> Renderer {
        let values = json!({
            "alert": self.inputs.alert,
            "vars": self.vars,
            "steps": results,
            "run": {"id": self.inputs.run_id},
        });
        Renderer::new(self.vault.clone(), values)
    }
}

impl Runner {
    /// Renders and validates all that does not depend on earlier results. Nothing is sent before this has succeeded.
    ///
    /// Conditions that do not hang on earlier results are decided here, and what they rule out is not rendered.
    pub fn prepare<'p>(&self, playbook: &'p Playbook, inputs: RunInputs) -> Result<Prepared<'p>, Diagnostics> {
        self.prepare_for(Servers::Asked, playbook, inputs)
    }

    /// The same for a run that asks servers, or none.
    pub(crate) fn prepare_for<'p>(
        &self,
        servers: Servers,
        playbook: &'p Playbook,
        inputs: RunInputs,
    ) -> Result<Prepared<'p>, Diagnostics> {
        let mut problems: Diagnostics = self.check_flow(playbook).into_iter().collect();
        // What is wrong with one step does not keep the others from being looked at further.
        let mut broken = vec![false; playbook.steps.len()];
        let mut found = |at: usize, problems: &mut Diagnostics, found: Vec<Diagnostic>| {
            broken[at] |= !found.is_empty();
            problems.extend(found);
        };
        for at in 0..playbook.steps.len() {
            let wrong = self.check_step(playbook, at, inputs.skip_unknown_steps);
            found(at, &mut problems, wrong);
        }
        if let Some(only) = &inputs.only
            && !playbook.step_ids().any(|id| id == only)
        {
            let unknown = Diagnostic::error(Code::UnknownStep, format!("there is no step `{only}` to run"));
            problems.push(unknown.maybe_hint(suggestion(only, playbook.step_ids())));
        }
        let outlooks: Vec<Outlook> = playbook
            .steps
            .iter()
            .map(|step| Outlook {
                passed: if !playbook.enabled || !step.enabled {
                    Some(SkipReason::Disabled)
                } else if inputs.only.as_ref().is_some_and(|only| *only != step.id) {
                    Some(SkipReason::NotSelected)
                } else if self.is_unknown(step) {
                    Some(SkipReason::UnknownStepType)
                } else {
                    None
                },
                ..Outlook::default()
            })
            .collect();
        let vars = match playbook.vars.fill(&inputs.vars, &playbook.document) {
            Ok(vars) => vars,
            Err(wrong) => {
                problems.extend(wrong);
                return Err(problems.in_order());
            }
        };
        if playbook.vars.names().is_none() {
            let known: Vec<&str> = vars.keys().map(String::as_str).collect();
            let due = outlooks
                .iter()
                .enumerate()
                .filter(|(_, outlook)| outlook.passed.is_none());
            for (at, _) in due {
                found(at, &mut problems, references::check_vars(playbook, at, &known));
            }
        }
        let mut prepared = Prepared {
            playbook,
            vars,
            vault: Vault::new(inputs.secrets.clone()),
            inputs,
            outlooks,
        };
        let renderer = prepared.renderer(&Map::new());
        // A decision can rule out steps whose own conditions could not even be asked, so they are asked on the way.
        let outlooks = &mut prepared.outlooks;
        let passed: Vec<bool> = outlooks.iter().map(|outlook| outlook.passed.is_some()).collect();
        let reachable = playbook.flow.passing_over(|at| passed[at]).walk(0, |at| {
            let step = &playbook.steps[at];
            if passed[at] || broken[at] || step.gate.needs_results() {
                return None;
            }
            match step.gate.decide(&playbook.document, &renderer) {
                Ok(decision) => {
                    outlooks[at].decision = Some(decision);
                    Some(decision == Decision::Runs)
                }
                Err(problem) => {
                    problems.push(problem);
                    None
                }
            }
        });
        for (at, step) in playbook.steps.iter().enumerate() {
            let outlook = &mut prepared.outlooks[at];
            let runs = outlook.decision.is_none_or(|decision| decision == Decision::Runs);
            let due = reachable[at] && outlook.passed.is_none() && runs && !step.only_branches();
            if !due || broken[at] {
                continue;
            }
            let (_, step_type) = self.provider(&step.kind).expect("it would be passed over otherwise");
            let written = Written::of_step(&playbook.document, step, &step_type.params);
            let refused = |error: &GrantError| written.refused(error);
            if step.needs_results() && servers == Servers::Stubbed {
                continue;
            }
            if step.needs_results() {
                // Which server it asks hangs on no result.
                let refusal = written
                    .origin(&renderer)
                    .and_then(|origin| self.policy().check(&origin).err());
                problems.extend(refusal.map(|error| refused(&error.into())));
                continue;
            }
            match Work::render(&playbook.document, step, step_type, &renderer) {
                Ok(work) => {
                    if servers == Servers::Asked {
                        let granted = work.grants(&prepared.inputs.directory, self.policy());
                        problems.extend(granted.err().as_ref().map(refused));
                    }
                    outlook.work = Some(work);
                }
                Err(found) => problems.extend(found),
            }
        }
        problems.or(())?;
        Ok(prepared)
    }
}
