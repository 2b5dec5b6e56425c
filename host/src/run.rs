//! A run: from step to step, and what became of each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::condition::{Barrier, Decision};
use crate::diagnostic::Diagnostics;
use crate::event::{CallEvent, EventSink};
use crate::flow::Exit;
use crate::for_each::{self, ItemReport};
use crate::params::{self, Rendered};
use crate::playbook::{OnFailure, Step};
use crate::plugin::{FailureKind, Note, PluginError, StepCall, StepOutcome};
use crate::prepare::Prepared;
use crate::report::{Branch, PlaybookName, RunReport, RunStatus, SkipReason, StepError, StepReport, StepStatus};
use crate::retry::{Attempts, Verdict};
use crate::runner::Runner;
use crate::secrets::Redactor;
use crate::work::{Item, Work};

/// Something that happened during a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RunEvent {
    /// A step begins.
    StepStarted {
        /// The step's id.
        id: String,
    },
    /// A step's plugin said something.
    Step {
        /// The step's id.
        id: String,
        /// What it said.
        event: CallEvent,
    },
    /// A call failed and will be made again.
    StepRetried {
        /// The step's id.
        id: String,
        /// Why it failed.
        error: StepError,
        /// How long from now it is made again.
        wait: Duration,
    },
    /// A step ended.
    StepFinished {
        /// The step's id.
        id: String,
        /// How.
        status: StepStatus,
    },
}

/// Receives the events of a run as they happen; it should return at once.
pub type Observer = Arc<dyn Fn(RunEvent) + Send + Sync>;

impl Runner {
    /// Runs the steps, in order but for where conditions lead. Cancelling ends the step under way and skips the rest.
    ///
    /// Dropping the future closes every connection of the step under way, too.
    pub async fn run(&self, prepared: Prepared<'_>, cancel: CancellationToken, observer: Observer) -> RunReport {
        let started_at = Timestamp::now();
        let began = Instant::now();
        let mut run = Run {
            runner: self,
            prepared: &prepared,
            cancel: &cancel,
            observer: &observer,
            results: Map::new(),
        };
        let steps = run.steps().await;
        let any = |status| steps.iter().any(|step| step.status == status);
        let status = if cancel.is_cancelled() {
            RunStatus::Cancelled
        } else if any(StepStatus::Failed) {
            RunStatus::Failed
        } else if any(StepStatus::Partial) {
            RunStatus::Partial
        } else {
            RunStatus::Success
        };
        RunReport {
            run_id: prepared.inputs.run_id.clone(),
            playbook: PlaybookName {
                id: prepared.playbook.id.clone(),
                name: prepared.playbook.name.clone(),
            },
            status,
            started_at,
            finished_at: Timestamp::now(),
            duration_ms: millis(began.elapsed()),
            steps,
        }
    }
}

/// A run under way.
struct Run<'r> {
    runner: &'r Runner,
    prepared: &'r Prepared<'r>,
    cancel: &'r CancellationToken,
    observer: &'r Observer,
    /// What `{{ steps.… }}` sees.
    results: Map<String, Value>,
}

/// How the calls that a step is about ended.
struct Called {
    outcome: Result<StepOutcome, StepError>,
    attempts: u32,
}

impl Run<'_> {
    async fn steps(&mut self) -> Vec<StepReport> {
        let playbook = self.prepared.playbook;
        let steps = &playbook.steps;
        for step in steps {
            self.results.insert(step.id.clone(), entry(StepStatus::Skipped, None));
        }
        let mut reports: Vec<Option<StepReport>> = vec![None; steps.len()];
        // Where the run stopped, and why the steps that it might have come to were not started.
        let mut stopped = None;
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            if self.cancel.is_cancelled() {
                stopped = Some((at, SkipReason::Cancelled));
                break;
            }
            let (report, exit) = self.step(at).await;
            self.results
                .insert(step.id.clone(), entry(report.status, report.result.as_ref()));
            reports[at] = Some(report);
            if exit == Exit::Failed && step.on_failure == OnFailure::Abort {
                stopped = Some((at, SkipReason::Aborted));
                break;
            }
            at = playbook.flow.next(at, exit);
        }
        let missed = stopped.map(|(at, reason)| (playbook.flow.reachable(at), reason));
        let skipped = |(at, step): (usize, &Step)| {
            let reason = match (self.prepared.plans[at].passed, &missed) {
                (Some(reason), _) => reason,
                (None, Some((reachable, reason))) if reachable[at] => *reason,
                (None, _) => SkipReason::NotReached,
            };
            skipped(step, reason)
        };
        let reports = reports.into_iter().zip(steps.iter().enumerate());
        reports
            .map(|(report, step)| report.unwrap_or_else(|| skipped(step)))
            .collect()
    }

    /// Runs a step, unless it is passed over or its condition does not hold.
    async fn step(&self, at: usize) -> (StepReport, Exit) {
        let Prepared { playbook, plans, .. } = self.prepared;
        let (step, plan) = (&playbook.steps[at], &plans[at]);
        if let Some(reason) = plan.passed {
            return (skipped(step, reason), Exit::Passed);
        }
        let ask = || {
            let renderer = self.prepared.renderer(&self.results);
            step.gate.decide(&playbook.document, &renderer)
        };
        let decision = plan.decision.map_or_else(ask, Ok);
        let (mut report, exit) = match decision {
            Err(problem) => {
                let mut report = blank(step, StepStatus::Failed);
                report.error = Some(self.redacted(invalid_input(Diagnostics::from(vec![problem]).to_string())));
                (report, Exit::Failed)
            }
            Ok(Decision::Runs) if step.only_branches() => (blank(step, StepStatus::Success), Exit::Done),
            Ok(Decision::Barred(_)) if step.only_branches() => (blank(step, StepStatus::Success), Exit::Barred),
            Ok(Decision::Barred(Barrier::When)) => (skipped(step, SkipReason::When), Exit::Barred),
            Ok(Decision::Barred(Barrier::Condition)) => (skipped(step, SkipReason::Condition), Exit::Barred),
            Ok(Decision::Runs) => {
                let report = self.execute(at).await;
                let failed = report.status == StepStatus::Failed;
                (report, if failed { Exit::Failed } else { Exit::Done })
            }
        };
        let named = playbook
            .flow
            .named(at, exit)
            .map(|next| playbook.steps[next].id.clone());
        if exit != Exit::Failed && (step.gated || named.is_some()) {
            report.branch = Some(Branch {
                holds: exit == Exit::Done,
                next: named,
            });
        }
        (report, exit)
    }

    /// Does what a step is about, within its time limit.
    async fn execute(&self, at: usize) -> StepReport {
        let step = &self.prepared.playbook.steps[at];
        (self.observer)(RunEvent::StepStarted { id: step.id.clone() });
        let began = Instant::now();
        // Stopping a step that takes too long is asking it to stop, as when the run is cancelled.
        let stop = self.cancel.child_token();
        let mut report = {
            let working = self.work(at, &stop);
            tokio::pin!(working);
            tokio::select! {
                report = &mut working => report,
                limit = exceeded(step.timeout) => {
                    stop.cancel();
                    too_long(working.await, limit)
                }
            }
        };
        report.duration_ms = millis(began.elapsed());
        report.error = report.error.map(|error| self.redacted(error));
        (self.observer)(RunEvent::StepFinished {
            id: step.id.clone(),
            status: report.status,
        });
        report
    }

    async fn work(&self, at: usize, stop: &CancellationToken) -> StepReport {
        let Prepared { playbook, plans, .. } = self.prepared;
        let step = &playbook.steps[at];
        let mut report = blank(step, StepStatus::Failed);
        let rendered;
        let work = if let Some(work) = &plans[at].work {
            work
        } else {
            let renderer = self.prepared.renderer(&self.results);
            let (_, step_type) = self.runner.provider(&step.kind).expect("`prepare` found it");
            match Work::render(&playbook.document, step, step_type, &renderer) {
                Ok(work) => rendered = work,
                Err(problems) => {
                    report.error = Some(invalid_input(Diagnostics::from(problems).to_string()));
                    return report;
                }
            }
            &rendered
        };
        match work {
            Work::Once(params) => {
                let called = self.call(step, params, stop).await;
                let redactor = self.prepared.vault.redactor();
                report.attempts = called.attempts;
                match called.outcome {
                    Ok(outcome) => {
                        report.status = status(&outcome);
                        report.result = Some(redactor.redact_json(outcome.result));
                        report.notes = redact_notes(&redactor, &outcome.notes);
                    }
                    Err(error) => report.error = Some(error),
                }
            }
            Work::Each(items) => {
                let at_once = step.for_each.as_ref().map_or(1, |list| list.concurrency);
                let calls: Vec<_> = items.iter().map(|item| self.item(step, item, stop)).collect();
                let done: Vec<ItemReport> = stream::iter(calls).buffered(at_once).collect().await;
                report.status = for_each::status(&done);
                report.error = for_each::error(&done);
                report.attempts = done.iter().map(|item| item.attempts).sum();
                report.items = Some(done.len());
                let result = serde_json::to_value(&done).expect("an item's report has only texts as keys");
                report.result = Some(self.prepared.vault.redactor().redact_json(result));
            }
        }
        report
    }

    async fn item(&self, step: &Step, item: &Item, stop: &CancellationToken) -> ItemReport {
        let began = Instant::now();
        let mut report = ItemReport {
            item: item.value.clone(),
            status: StepStatus::Skipped,
            attempts: 0,
            duration_ms: 0,
            result: None,
            error: None,
            notes: Vec::new(),
        };
        if stop.is_cancelled() {
            return report;
        }
        let called = self.call(step, &item.params, stop).await;
        report.attempts = called.attempts;
        report.duration_ms = millis(began.elapsed());
        match called.outcome {
            Ok(outcome) => {
                report.status = status(&outcome);
                report.result = Some(outcome.result);
                report.notes = outcome.notes;
            }
            Err(error) => {
                report.status = StepStatus::Failed;
                report.error = Some(error);
            }
        }
        report
    }

    /// Calls the plugin, again where a retry can help.
    async fn call(&self, step: &Step, params: &Rendered, stop: &CancellationToken) -> Called {
        let (plugin, _) = self.runner.provider(&step.kind).expect("`prepare` found it");
        let grant = match params::grant(params, &self.prepared.inputs.directory) {
            Ok(grant) => grant,
            Err(error) => {
                return Called {
                    outcome: Err(invalid_input(error.to_string())),
                    attempts: 0,
                };
            }
        };
        let mut attempts = Attempts::first(step.retry_max);
        loop {
            let (id, observer) = (step.id.clone(), self.observer.clone());
            let call = StepCall {
                step_type: step.kind.clone(),
                params: params.value.clone(),
                vault: self.prepared.vault.clone(),
                grant: grant.clone(),
                timeout: params.timeout,
                cancel: stop.clone(),
                events: EventSink::new(move |event| observer(RunEvent::Step { id: id.clone(), event })),
            };
            let error = match plugin.run(self.runner.network(), call).await {
                Ok(outcome) => {
                    return Called {
                        outcome: Ok(outcome),
                        attempts: attempts.made(),
                    };
                }
                Err(error) => error,
            };
            let verdict = attempts.after(&error);
            let mut error = StepError::from(error);
            match verdict {
                Verdict::Again(wait) => {
                    (self.observer)(RunEvent::StepRetried {
                        id: step.id.clone(),
                        error: self.redacted(error.clone()),
                        wait,
                    });
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {
                            attempts.again();
                            continue;
                        }
                        () = stop.cancelled() => {}
                    }
                }
                Verdict::NotSafe => {
                    let why = "it was not tried again, because the server may have acted on the first attempt";
                    error.hint = Some(
                        error
                            .hint
                            .map_or_else(|| why.to_owned(), |hint| format!("{hint}; {why}")),
                    );
                }
                Verdict::Final => {}
            }
            return Called {
                outcome: Err(error),
                attempts: attempts.made(),
            };
        }
    }

    fn redacted(&self, error: StepError) -> StepError {
        let redactor = self.prepared.vault.redactor();
        StepError {
            kind: error.kind,
            message: redactor.redact(&error.message).into_owned(),
            hint: error.hint.map(|hint| redactor.redact(&hint).into_owned()),
        }
    }
}

/// Returns once a time limit is exceeded; never, if there is none.
async fn exceeded(limit: Option<Duration>) -> Duration {
    match limit {
        Some(limit) => {
            tokio::time::sleep(limit).await;
            limit
        }
        None => std::future::pending().await,
    }
}

/// What becomes of a step that was stopped by its time limit. What its items returned in time stays.
fn too_long(report: StepReport, limit: Duration) -> StepReport {
    let cause = report.error.filter(|error| error.kind != FailureKind::Cancelled.word());
    StepReport {
        status: StepStatus::Failed,
        error: Some(StepError {
            kind: FailureKind::Timeout.word(),
            message: format!(
                "the step was stopped at its limit of {} s (`timeout_seconds`)",
                limit.as_secs()
            ),
            hint: cause.map(|cause| format!("before that: {}", cause.message)),
        }),
        result: report.result.filter(|_| report.items.is_some()),
        notes: Vec::new(),
        ..report
    }
}

fn status(outcome: &StepOutcome) -> StepStatus {
    if outcome.partial {
        StepStatus::Partial
    } else {
        StepStatus::Success
    }
}

/// What templates see of a step.
fn entry(status: StepStatus, result: Option<&Value>) -> Value {
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
        attempts: 0,
        duration_ms: 0,
        result: None,
        error: None,
        notes: Vec::new(),
    }
}

fn redact_notes(redactor: &Redactor, notes: &[Note]) -> Vec<Note> {
    let redact = |note: &Note| Note {
        subject: redactor.redact(&note.subject).into_owned(),
        text: redactor.redact(&note.text).into_owned(),
    };
    notes.iter().map(redact).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn invalid_input(message: String) -> StepError {
    StepError {
        kind: "invalid-input",
        message,
        hint: None,
    }
}

impl From<PluginError> for StepError {
    fn from(error: PluginError) -> Self {
        match error {
            PluginError::Failed(failure) => Self {
                kind: failure.kind.word(),
                message: failure.message,
                hint: failure.hint,
            },
            PluginError::Tls(error) => invalid_input(error.to_string()),
            other => Self {
                kind: "plugin",
                message: other.to_string(),
                hint: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An engine runs playbooks as tasks, on whatever thread is free.
    #[test]
    fn a_run_can_move_between_threads() {
        fn assert_send<T: Send>(_: impl Fn(&'static Runner, Prepared<'static>, CancellationToken, Observer) -> T) {}
        assert_send(Runner::run);
    }

    #[test]
    fn a_step_stopped_by_its_limit_keeps_what_its_items_returned() {
        let limit = Duration::from_secs(3);
        let report = |items, kind| StepReport {
            id: "s".into(),
            name: None,
            step_type: "t".into(),
            status: StepStatus::Failed,
            reason: None,
            branch: None,
            items,
            attempts: 1,
            duration_ms: 0,
            result: Some(json!([])),
            error: Some(StepError {
                kind,
                message: "no such server".into(),
                hint: None,
            }),
            notes: Vec::new(),
        };
        let stopped = too_long(report(Some(2), "unavailable"), limit);
        assert_eq!(stopped.result, Some(json!([])));
        let error = stopped.error.unwrap();
        assert_eq!(
            (error.kind, error.hint.as_deref()),
            ("timeout", Some("before that: no such server"))
        );
        let stopped = too_long(report(None, "cancelled"), limit);
        assert_eq!((stopped.result, stopped.error.unwrap().hint), (None, None));
    }
}
