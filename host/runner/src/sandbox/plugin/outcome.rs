//! Reading what a step returned and published: within the limits of the call, and where it holds up nobody.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{Note, Plugin, PluginError, StepCall, StepFailure, StepOutcome, Unfinished};
use crate::limits::{CpuMeter, Held, ResultsHeld};
use crate::sandbox::accounting::Accounting;
use crate::sandbox::bindings::exports::playbook::plugin::step as wit;
use crate::sandbox::call::{CallContext, CallError, Returned};
use crate::sandbox::described::{remarks, words};
use crate::sandbox::published::{Accounted, Published, Reading, no_room, refused, weighed};
use crate::sandbox::wire::Wire;
use crate::secrets::Redactor;
use crate::text::schema::Schema;

/// The time in which what can be read at once is read, whatever is left of the call's.
const READ_AT_ONCE: Duration = Duration::from_millis(100);

/// What a result is and weighs, or what is wrong with it.
type Read = Result<(Value, usize), String>;

/// A step that returned, before its result is read.
struct Finished {
    outcome: wit::Outcome,
    /// What it took of the process: its result came out of that.
    held: Held,
    meter: CpuMeter,
}

impl Plugin {
    /// Runs a step in this context, and reads what it returned and published.
    pub(super) async fn outcome(
        &self,
        mut context: CallContext,
        wire: Wire,
        call: StepCall,
        results: &ResultsHeld,
    ) -> Result<StepOutcome, Unfinished> {
        let redactor = context.secrets.redactor();
        let params = context.secrets.enter(&call.params);
        let step_type = self.types.steps.iter().find(|known| known.name == call.step_type);
        let accounting = step_type.and_then(|step_type| step_type.accounting.clone());
        let account = accounting.map(|accounting| {
            let targets = accounting.targets_of(&params);
            (accounting, Published::new(targets, self.limits.result, results))
        });
        context.published = account.as_ref().map(|(_, published)| published.clone());
        let finished = self.finish(context, &wire, &call, params, &redactor).await;
        let schema = step_type.map(|step_type| step_type.result.clone());
        match account {
            None => Ok(self.read_result(finished?, &call, schema, &redactor, results).await?),
            Some((accounting, published)) => {
                self.read_account(finished, accounting, published, schema, &redactor, results)
                    .await
            }
        }
    }

    /// Runs a step to its end.
    async fn finish(
        &self,
        context: CallContext,
        wire: &Wire,
        call: &StepCall,
        params: Value,
        redactor: &Redactor,
    ) -> Result<Finished, PluginError> {
        let (step_type, params) = (call.step_type.clone(), params.to_string());
        let Returned { value, held, meter } = self
            .call_and_hold(context, async |accessor, step| {
                step.call_run(accessor, step_type, params).await
            })
            .await?;
        let outcome = value.map_err(|failure| StepFailure {
            acted: wire.acted(),
            ..StepFailure::read(failure, redactor)
        })?;
        Ok(Finished { outcome, held, meter })
    }

    /// Reads a result that the plugin has made alone.
    async fn read_result(
        &self,
        finished: Finished,
        call: &StepCall,
        schema: Option<Schema>,
        redactor: &Redactor,
        results: &ResultsHeld,
    ) -> Result<StepOutcome, PluginError> {
        let Finished { outcome, held, meter } = finished;
        self.check_size(&outcome)?;
        let (text, known) = (outcome.result, redactor.clone());
        let room = results.another();
        let reading = tokio::task::spawn_blocking(move || read(&text, &room, schema.as_ref(), &known));
        let read = self.within(&meter, &call.cancel, reading).await?;
        drop(held);
        let (result, weight) = read.map_err(|reason| self.invalid(&reason, redactor))?;
        let notes = read_notes(outcome.notes, redactor);
        if !results.keep(weight + weight_of(&notes)) {
            return Err(self.invalid(&no_room(results.limit()), redactor));
        }
        Ok(StepOutcome {
            result,
            partial: outcome.partial,
            notes,
        })
    }

    /// Assembles a result from what was published. However the call has ended, that is not lost.
    async fn read_account(
        &self,
        finished: Result<Finished, PluginError>,
        accounting: Accounting,
        published: Published,
        schema: Option<Schema>,
        redactor: &Redactor,
        results: &ResultsHeld,
    ) -> Result<StepOutcome, Unfinished> {
        let (finished, time) = match finished {
            Ok(finished) => {
                // What can be read at once is read, whatever is left of the time.
                let time = finished.meter.left().max(READ_AT_ONCE);
                (Ok(finished.outcome), time)
            }
            Err(error) if published.is_empty() => return Err(error.into()),
            Err(error) => (Err(error), self.limits.grace),
        };
        let accounted = account(accounting.clone(), published, redactor, results, time).await;
        let rest = finished.and_then(|outcome| {
            self.check_size(&outcome)?;
            let rest = rest(&outcome.result, &accounting, schema.as_ref(), results);
            let rest = rest.map_err(|reason| self.invalid(&reason, redactor))?;
            Ok((rest, read_notes(outcome.notes, redactor)))
        });
        let Accounted { mut result, partial } = accounted;
        match rest {
            Ok((rest, notes)) => {
                result.extend(rest.into_iter().map(|(key, value)| (key, redactor.redact_json(value))));
                if !results.keep(weight_of(&notes)) {
                    return Err(self.invalid(&no_room(results.limit()), redactor).into());
                }
                Ok(StepOutcome {
                    result: result.into(),
                    partial,
                    notes,
                })
            }
            Err(error) => Err(Unfinished {
                error,
                outcome: Some(StepOutcome {
                    result: result.into(),
                    partial: true,
                    notes: Vec::new(),
                }),
            }),
        }
    }

    fn check_size(&self, outcome: &wit::Outcome) -> Result<(), PluginError> {
        let limit = self.limits.result;
        if outcome.result.len() <= limit {
            return Ok(());
        }
        let reason = format!("it is larger than the {limit} bytes allowed");
        Err(self.invalid(&reason, &Redactor::none()))
    }

    fn invalid(&self, reason: &str, redactor: &Redactor) -> PluginError {
        PluginError::InvalidResult {
            plugin: self.name.clone(),
            reason: redactor.redact_words(reason).into_owned(),
        }
    }

    /// Waits for a result to be read, which counts as the plugin's computing. It goes on for a moment when nobody waits any more.
    async fn within(
        &self,
        meter: &CpuMeter,
        cancel: &CancellationToken,
        reading: tokio::task::JoinHandle<Read>,
    ) -> Result<Read, PluginError> {
        let stopping = async {
            cancel.cancelled().await;
            tokio::time::sleep(self.limits.grace).await;
        };
        let spent = async {
            // A result that can be read at once is read, whatever is left.
            tokio::time::sleep(meter.left().max(READ_AT_ONCE)).await;
        };
        tokio::select! {
            read = reading => match read {
                Ok(read) => Ok(read),
                Err(failed) => std::panic::resume_unwind(failed.into_panic()),
            },
            () = spent => Err(self.stopped(CallError::OutOfCpu { budget: meter.budget() })),
            () = stopping => Err(self.stopped(CallError::Cancelled)),
        }
    }
}

/// Reads what was published, for as long as there is time. What is then left is a failure of each target that says so.
async fn account(
    accounting: Accounting,
    published: Published,
    redactor: &Redactor,
    results: &ResultsHeld,
    time: Duration,
) -> Accounted {
    let stop = Arc::new(AtomicBool::new(false));
    let (counted, redactor, stopped) = (results.another(), redactor.clone(), stop.clone());
    let mut reading = tokio::task::spawn_blocking(move || {
        let accounted = published.account(&Reading {
            accounting: &accounting,
            redactor: &redactor,
            results: &counted,
            stop: &stopped,
        });
        (accounted, counted)
    });
    let read = tokio::select! {
        read = &mut reading => read,
        () = tokio::time::sleep(time) => {
            stop.store(true, Ordering::Relaxed);
            reading.await
        }
    };
    match read {
        Ok((accounted, counted)) => {
            results.join(counted);
            accounted
        }
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// What the plugin returned beside what the host assembles.
fn rest(
    text: &str,
    accounting: &Accounting,
    schema: Option<&Schema>,
    results: &ResultsHeld,
) -> Result<Map<String, Value>, String> {
    let (rest, weight) = weighed(text, results)?;
    let Value::Object(rest) = rest else {
        return Err("it must be a map, beside what was published".to_owned());
    };
    let assembled = [
        (&accounting.entries, Value::Object(Map::new())),
        (&accounting.failures, Value::Object(Map::new())),
        (&accounting.unanswered, Value::Array(Vec::new())),
        (&accounting.partial, Value::Bool(false)),
    ];
    let mut whole = rest.clone();
    for (key, empty) in assembled {
        if whole.insert(key.clone(), empty).is_some() {
            return Err(format!("`{key}` is assembled by the host"));
        }
    }
    if let Some(why) = schema.and_then(|schema| refused(schema, &whole.into())) {
        return Err(why);
    }
    if !results.keep(weight) {
        return Err(no_room(results.limit()));
    }
    Ok(rest)
}

fn read_notes(notes: Vec<wit::Note>, redactor: &Redactor) -> Vec<Note> {
    let notes = remarks(notes).into_iter().map(|note| Note {
        subject: words(&note.subject, redactor),
        text: words(&note.text, redactor),
    });
    notes.collect()
}

fn weight_of(notes: &[Note]) -> usize {
    let each = notes
        .iter()
        .map(|note| size_of::<Note>() + note.subject.len() + note.text.len());
    each.sum()
}

fn read(text: &str, results: &ResultsHeld, schema: Option<&Schema>, redactor: &Redactor) -> Read {
    let (result, weight) = weighed(text, results)?;
    if let Some(why) = schema.and_then(|schema| refused(schema, &result)) {
        return Err(why);
    }
    // The handles of this call mean something here, and nowhere else.
    match redactor.redact_json_text(text) {
        Cow::Borrowed(_) => Ok((result, weight)),
        Cow::Owned(redacted) => {
            drop(result);
            weighed(&redacted, results)
        }
    }
}
