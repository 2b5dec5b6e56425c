//! A run under way: from step to step, and what became of each.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::language::condition::{Barrier, Decision};
use crate::language::flow::StepExit;
use crate::language::step::OnFailure;
use crate::language::step::Step;
use crate::limits::ResultsHeld;
use crate::run::event::{Observer, RunEvent};
use crate::run::prepare::Prepared;
use crate::run::record::Recorder;
use crate::run::report::invalid_input;
use crate::run::report::{Branch, RunReport, RunStatus, SkipReason, StepError, StepReport, StepStatus};
use crate::run::stub::Stubs;
use crate::runner::Runner;
use crate::text::diagnostic::Diagnostics;

mod step;

/// A run under way.
pub(crate) struct Run<'r> {
    runner: &'r Runner,
    prepared: &'r Prepared,
    cancel: &'r CancellationToken,
    observer: &'r Observer,
    /// Who answers calls in the place of the plugins.
    stubs: Option<&'r Stubs>,
    /// Who keeps the calls.
    recorder: Option<&'r Recorder>,
    /// What `{{ steps.… }}` sees.
    results: Map<String, Value>,
    /// Counts the results that are kept.
    held: ResultsHeld,
}

impl<'r> Run<'r> {
    pub(crate) fn new(
        runner: &'r Runner,
        prepared: &'r Prepared,
        cancel: &'r CancellationToken,
        observer: &'r Observer,
    ) -> Self {
        Self {
            runner,
            prepared,
            cancel,
            observer,
            stubs: None,
            recorder: None,
            results: Map::new(),
            held: runner.results(),
        }
    }

    /// The same run, whose calls are kept.
    pub(crate) fn recorded(self, recorder: &'r Recorder) -> Self {
        Self {
            recorder: Some(recorder),
            ..self
        }
    }

    /// The same run, with answers in the place of the plugins. It waits for nothing.
    pub(crate) fn stubbed(self, stubs: &'r Stubs) -> Self {
        Self {
            stubs: Some(stubs),
            ..self
        }
    }

    /// Runs to the end, and says what became of it.
    pub(crate) async fn report(mut self) -> RunReport {
        let started_at = clock::now();
        let began = Instant::now();
        let steps = self.steps().await;
        let prepared = self.prepared;
        let any = |status| steps.iter().any(|step| step.status == status);
        let status = if self.cancel.is_cancelled() {
            RunStatus::Interrupted
        } else if any(StepStatus::Failed) {
            RunStatus::Failed
        } else if any(StepStatus::Partial) {
            RunStatus::Partial
        } else {
            RunStatus::Success
        };
        RunReport {
            run_id: prepared.inputs.run_id.clone(),
            playbook: prepared.playbook.title(),
            status,
            started_at,
            finished_at: clock::now(),
            duration_ms: millis(began.elapsed()),
            steps,
        }
    }
}

impl Run<'_> {
    async fn steps(&mut self) -> Vec<StepReport> {
        let playbook = &self.prepared.playbook;
        let steps = &playbook.steps;
        for step in steps {
            self.results.insert(step.id.clone(), entry(StepStatus::Skipped, None));
        }
        // Results can be large: they are kept for other steps only if one of those looks at results.
        let looked_at = steps
            .iter()
            .any(|step| step.needs_results() || step.gate.needs_results());
        let mut reports: Vec<Option<Arc<StepReport>>> = vec![None; steps.len()];
        // Where the run stopped, and why the steps that it might have come to were not started.
        let mut stopped = None;
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            if self.cancel.is_cancelled() {
                stopped = Some((at, SkipReason::Interrupted));
                break;
            }
            let (report, exit) = self.step(at).await;
            let result = report.result.as_ref().filter(|_| looked_at);
            self.results.insert(step.id.clone(), entry(report.status, result));
            reports[at] = Some(self.finished(report));
            if exit == StepExit::Failed && step.on_failure == OnFailure::Abort {
                stopped = Some((at, SkipReason::Aborted));
                break;
            }
            at = playbook.flow.next(at, exit);
        }
        let missed = stopped.map(|(at, reason)| (playbook.flow.reachable(at), reason));
        let skipped = |(at, step): (usize, &Step)| {
            let reason = match (self.prepared.outlooks[at].skipped, &missed) {
                (Some(reason), _) => reason,
                (None, Some((reachable, reason))) if reachable[at] => *reason,
                (None, _) => SkipReason::NotReached,
            };
            skipped(step, reason)
        };
        let reports = reports.into_iter().zip(steps.iter().enumerate());
        reports
            .map(|(report, step)| report.unwrap_or_else(|| self.finished(skipped(step))))
            .map(Arc::unwrap_or_clone)
            .collect()
    }

    /// Tells what became of a step.
    fn finished(&self, report: StepReport) -> Arc<StepReport> {
        let report = Arc::new(report);
        (self.observer)(RunEvent::StepFinished { report: report.clone() });
        report
    }

    /// Runs a step, unless it is skipped or its condition does not hold.
    async fn step(&self, at: usize) -> (StepReport, StepExit) {
        let Prepared { playbook, outlooks, .. } = self.prepared;
        let (step, outlook) = (&playbook.steps[at], &outlooks[at]);
        if let Some(reason) = outlook.skipped {
            return (skipped(step, reason), StepExit::Skipped);
        }
        let ask = || {
            let renderer = self.prepared.renderer(&self.results);
            step.gate.decide(&playbook.document, &renderer)
        };
        let decision = outlook.decision.map_or_else(ask, Ok);
        let (mut report, exit) = match decision {
            Err(problem) => {
                let mut report = blank(step, StepStatus::Failed);
                report.error = Some(self.redacted(invalid_input(Diagnostics::from(vec![problem]).to_string())));
                (report, StepExit::Failed)
            }
            Ok(Decision::Runs) if step.only_branches() => (blank(step, StepStatus::Success), StepExit::Done),
            Ok(Decision::Barred(_)) if step.only_branches() => (blank(step, StepStatus::Success), StepExit::Barred),
            Ok(Decision::Barred(Barrier::When)) => (skipped(step, SkipReason::When), StepExit::Barred),
            Ok(Decision::Barred(Barrier::Condition)) => (skipped(step, SkipReason::Condition), StepExit::Barred),
            Ok(Decision::Runs) => {
                let report = self.execute(at).await;
                let failed = report.status == StepStatus::Failed;
                (report, if failed { StepExit::Failed } else { StepExit::Done })
            }
        };
        let named = playbook
            .flow
            .named(at, exit)
            .map(|next| playbook.steps[next].id.clone());
        if exit != StepExit::Failed && (step.gated || named.is_some()) {
            report.branch = Some(Branch {
                holds: exit == StepExit::Done,
                next: named,
            });
        }
        (report, exit)
    }

    fn redacted(&self, error: StepError) -> StepError {
        let redactor = self.prepared.vault.redactor();
        StepError {
            kind: error.kind,
            message: redactor.redact_words(&error.message).into_owned(),
            hint: error.hint.map(|hint| redactor.redact_words(&hint).into_owned()),
        }
    }
}

/// What templates see of a step.
pub(crate) fn entry(status: StepStatus, result: Option<&Value>) -> Value {
    match result {
        Some(result) => json!({"status": status, "result": result}),
        None => json!({"status": status}),
    }
}

fn skipped(step: &Step, reason: SkipReason) -> StepReport {
    StepReport {
        reason: Some(reason),
        ..blank(step, StepStatus::Skipped)
    }
}

fn blank(step: &Step, status: StepStatus) -> StepReport {
    StepReport {
        id: step.id.clone(),
        name: step.name.clone(),
        step_type: step.kind.clone(),
        status,
        reason: None,
        branch: None,
        items: None,
        started_at: None,
        attempts: 0,
        duration_ms: 0,
        result: None,
        error: None,
        notes: Vec::new(),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An engine runs playbooks as tasks, on whatever thread is free.
    #[test]
    fn a_run_can_move_between_threads() {
        fn assert_send<T: Send>(_: impl Fn(&'static Runner, Prepared, CancellationToken, Observer) -> T) {}
        assert_send(Runner::run);
    }
}
