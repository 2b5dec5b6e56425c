//! One step of a run: its calls, their retries, and its time limit.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::language::params::Rendered;
use crate::language::step::Step;
use crate::net::egress::Grant;
use crate::run::about::About;
use crate::run::event::RunEvent;
use crate::run::execution::Run;
use crate::run::execution::blank;
use crate::run::execution::millis;
use crate::run::item;
use crate::run::item::ItemReport;
use crate::run::prepare::Prepared;
use crate::run::report::invalid_input;
use crate::run::report::{CallFailure, StepError, StepReport, StepStatus};
use crate::run::retry::{Attempts, Retry};
use crate::run::work::{Call, Grants, Item, Work};
use crate::sandbox::event::CallObserver;
use crate::sandbox::plugin::{FailureKind, Note, PluginError, StepCall, StepOutcome, Unfinished};
use crate::secrets::Redactor;
use crate::text::diagnostic::Diagnostics;

/// Said of a failure that another attempt might have cured.
const NOT_TRIED_AGAIN: &str = "it was not tried again, because the server may have acted on the first attempt";

/// A call of a step's plugin, whatever the attempt.
struct Calling<'c> {
    at: usize,
    item: Option<(usize, &'c Value)>,
    params: &'c Rendered,
    grant: Option<Arc<Grant>>,
    stop: &'c CancellationToken,
}

impl Calling<'_> {
    fn index(&self) -> Option<usize> {
        self.item.map(|(index, _)| index)
    }
}

/// How the calls that a step is about ended.
struct Called {
    ended: Result<StepOutcome, CallFailure>,
    attempts: u32,
}

impl Run<'_> {
    /// Does what a step is about, within its time limit.
    pub(super) async fn execute(&self, at: usize) -> StepReport {
        let step = &self.prepared.playbook.steps[at];
        (self.observer)(RunEvent::StepStarted { id: step.id.clone() });
        let (started_at, began) = (clock::now(), Instant::now());
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
        report.started_at = Some(started_at);
        report.duration_ms = millis(began.elapsed());
        report.error = report.error.map(|error| self.redacted(error));
        report
    }

    async fn work(&self, at: usize, stop: &CancellationToken) -> StepReport {
        let Prepared { playbook, outlooks, .. } = self.prepared;
        let step = &playbook.steps[at];
        let mut report = blank(step, StepStatus::Failed);
        let rendered;
        let work = if let Some(work) = &outlooks[at].work {
            work
        } else {
            let renderer = self.prepared.renderer(&self.results);
            let (_, step_type) = self.runner.provider(&step.kind).expect("`prepare` found it");
            let mut grants = match self.stubs {
                Some(_) => Grants::none(),
                None => self.prepared.grants(self.runner),
            };
            match Work::render(&playbook.document, step, step_type, &renderer, &mut grants) {
                Ok(work) => rendered = work,
                Err(problems) => {
                    report.error = Some(invalid_input(Diagnostics::from(problems).to_string()));
                    return report;
                }
            }
            &rendered
        };
        match work {
            Work::Once(call) => {
                let called = self.call(at, None, call, stop).await;
                let redactor = self.prepared.vault.redactor();
                report.attempts = called.attempts;
                let (status, outcome, error) = parts(called.ended);
                report.status = status;
                report.error = error;
                if let Some(outcome) = outcome {
                    report.result = Some(redactor.redact_json(outcome.result));
                    report.notes = redact_notes(&redactor, &outcome.notes);
                }
            }
            Work::Each(items) => {
                let at_once = step.for_each.as_ref().map_or(1, |list| list.concurrency);
                let done = self.items(at, items, at_once, stop).await;
                report.status = item::status(&done);
                report.error = item::error(&done);
                report.attempts = done.iter().map(|item| item.attempts).sum();
                report.items = Some(done.len());
                let result = done.into_iter().map(ItemReport::into_value).collect();
                report.result = Some(self.prepared.vault.redactor().redact_json(result));
            }
        }
        report
    }

    /// Makes the calls of all items, so many at once whatever the slowest takes. Reports are in the order of the items.
    async fn items(&self, at: usize, items: &[Item], at_once: usize, stop: &CancellationToken) -> Vec<ItemReport> {
        let calls = items.iter().enumerate();
        let calls: Vec<_> = calls
            .map(|(index, item)| async move { (index, self.item(at, index, item, stop).await) })
            .collect();
        let mut done: Vec<(usize, ItemReport)> = stream::iter(calls).buffer_unordered(at_once).collect().await;
        done.sort_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, report)| report).collect()
    }

    async fn item(&self, at: usize, index: usize, item: &Item, stop: &CancellationToken) -> ItemReport {
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
        let called = self.call(at, Some((index, &item.value)), &item.call, stop).await;
        report.attempts = called.attempts;
        report.duration_ms = millis(began.elapsed());
        let (status, outcome, error) = parts(called.ended);
        report.status = status;
        report.error = error;
        if let Some(outcome) = outcome {
            report.result = Some(outcome.result);
            report.notes = outcome.notes;
        }
        report
    }

    /// Calls the plugin, again where a retry can help.
    async fn call(&self, at: usize, item: Option<(usize, &Value)>, call: &Call, stop: &CancellationToken) -> Called {
        let grant = match &call.granted {
            Ok(grant) => grant.clone(),
            Err(error) => {
                return Called {
                    ended: Err(StepError::from(&**error).into()),
                    attempts: 0,
                };
            }
        };
        let step = &self.prepared.playbook.steps[at];
        let calling = Calling {
            at,
            item,
            params: &call.params,
            grant,
            stop,
        };
        let mut attempts = Attempts::first(step.retry_max);
        loop {
            let Unfinished { error, outcome, .. } = match self.attempt(&calling, attempts.made()).await {
                Ok(outcome) => {
                    return Called {
                        ended: Ok(outcome),
                        attempts: attempts.made(),
                    };
                }
                Err(unfinished) => unfinished,
            };
            let verdict = attempts.after(&error);
            let mut error = StepError::from(&error);
            match verdict {
                Retry::Again(wait) => {
                    if self.wait(&calling, attempts.made(), &error, wait).await {
                        attempts.again();
                        continue;
                    }
                }
                Retry::NotSafe => error.add_hint(NOT_TRIED_AGAIN),
                Retry::Final => {}
            }
            return Called {
                ended: Err(CallFailure { error, outcome }),
                attempts: attempts.made(),
            };
        }
    }

    /// Calls the plugin once.
    async fn attempt(&self, calling: &Calling<'_>, attempt: u32) -> Result<StepOutcome, Unfinished> {
        let Calling { at, item, params, .. } = *calling;
        let step = &self.prepared.playbook.steps[at];
        let (plugin, step_type) = self.runner.provider(&step.kind).expect("`prepare` found it");
        let time_limit = params.timeout.unwrap_or(self.runner.limits().deadline);
        (self.observer)(RunEvent::StepCalled {
            id: step.id.clone(),
            item: calling.index(),
            attempt,
            time_limit: step.timeout.map_or(time_limit, |limit| limit.min(time_limit)),
        });
        let about = About {
            at,
            step: &step.id,
            step_type,
            item,
            attempt,
            params: &params.value,
        };
        let kept = self.recorder.map(|recorder| (recorder, recorder.begins(about)));
        let tape = kept.as_ref().and_then(|(_, (_, tape))| tape.clone());
        let answered = if let Some(stubs) = self.stubs {
            stubs.answer(about)
        } else {
            let call = StepCall {
                step_type: step.kind.clone(),
                params: params.value.clone(),
                vault: self.prepared.vault.clone(),
                sessions: self.prepared.sessions.clone(),
                grant: calling.grant.clone(),
                timeout: params.timeout,
                cancel: calling.stop.clone(),
                events: self.events(step, calling.index(), attempt),
            };
            plugin.run_taped(self.runner.network(), call, tape, &self.held).await
        };
        if let Some((recorder, (ticket, _))) = kept {
            recorder.ended(ticket, &answered);
        }
        answered
    }

    /// Where a call's messages, progress and pieces of its result go.
    fn events(&self, step: &Step, item: Option<usize>, attempt: u32) -> CallObserver {
        let (id, observer) = (step.id.clone(), self.observer.clone());
        let events = CallObserver::new(move |event| {
            observer(RunEvent::Step {
                id: id.clone(),
                item,
                attempt,
                event,
            });
        });
        if self.prepared.inputs.parts {
            events.with_parts()
        } else {
            events
        }
    }

    /// Waits before another attempt. Returns false if the step is to stop instead.
    async fn wait(&self, calling: &Calling<'_>, attempt: u32, error: &StepError, wait: Duration) -> bool {
        // No server has to recover where none was asked.
        let wait = self.stubs.map_or(wait, |_| Duration::ZERO);
        (self.observer)(RunEvent::StepRetried {
            id: self.prepared.playbook.steps[calling.at].id.clone(),
            item: calling.index(),
            attempt,
            error: self.redacted(error.clone()),
            wait,
        });
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = calling.stop.cancelled() => false,
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

/// What becomes of a step that was stopped by its time limit. What came in time stays.
fn too_long(report: StepReport, limit: Duration) -> StepReport {
    let cause = report.error.filter(|error| error.kind != FailureKind::Cancelled.word());
    StepReport {
        status: StepStatus::Failed,
        error: Some(StepError {
            kind: FailureKind::Timeout.word().into(),
            message: format!(
                "the step was stopped at its limit of {} s (`timeout_seconds`)",
                limit.as_secs()
            ),
            hint: cause.map(|cause| format!("before that: {}", cause.message)),
        }),
        ..report
    }
}

/// What a report says of a call that has ended.
fn parts(ended: Result<StepOutcome, CallFailure>) -> (StepStatus, Option<StepOutcome>, Option<StepError>) {
    match ended {
        Ok(outcome) => (status(&outcome), Some(outcome), None),
        Err(CallFailure { error, outcome }) => (StepStatus::Failed, outcome, Some(error)),
    }
}

fn status(outcome: &StepOutcome) -> StepStatus {
    if outcome.partial {
        StepStatus::Partial
    } else {
        StepStatus::Success
    }
}

fn redact_notes(redactor: &Redactor, notes: &[Note]) -> Vec<Note> {
    let redact = |note: &Note| Note {
        subject: redactor.redact(&note.subject).into_owned(),
        text: redactor.redact(&note.text).into_owned(),
    };
    notes.iter().map(redact).collect()
}

impl From<PluginError> for StepError {
    fn from(error: PluginError) -> Self {
        Self::from(&error)
    }
}

impl From<&PluginError> for StepError {
    fn from(error: &PluginError) -> Self {
        match error {
            PluginError::Failed(failure) => Self {
                kind: failure.kind.word().into(),
                message: failure.message.clone(),
                hint: failure.hint.clone(),
            },
            PluginError::Policy(error) => Self {
                hint: Some(error.hint().to_owned()),
                ..invalid_input(error.to_string())
            },
            PluginError::Tls(error) => invalid_input(error.to_string()),
            other => Self {
                kind: "plugin".into(),
                message: other.to_string(),
                hint: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_stopped_by_its_limit_keeps_what_came() {
        let limit = Duration::from_secs(3);
        let report = |items, kind| StepReport {
            id: "s".into(),
            name: None,
            step_type: "t".into(),
            status: StepStatus::Failed,
            reason: None,
            branch: None,
            items,
            started_at: None,
            attempts: 1,
            duration_ms: 0,
            result: Some(json!([])),
            error: Some(StepError {
                kind: Cow::Borrowed(kind),
                message: "no such server".into(),
                hint: None,
            }),
            notes: Vec::new(),
        };
        let stopped = too_long(report(Some(2), "unavailable"), limit);
        assert_eq!(stopped.result, Some(json!([])));
        let error = stopped.error.unwrap();
        assert_eq!(
            (&*error.kind, error.hint.as_deref()),
            ("timeout", Some("before that: no such server"))
        );
        let stopped = too_long(report(None, "cancelled"), limit);
        assert_eq!((stopped.result, stopped.error.unwrap().hint), (Some(json!([])), None));
    }
}
