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

/// The least time for reading a result: a short one is read although the call has used up its time.
const READ_AT_ONCE: Duration = Duration::from_millis(100);

/// A value and the memory that it takes, in bytes, or the reason why it is invalid.
type Read<T> = Result<(T, usize), String>;

/// A step that returned, before its result is read.
struct Finished {
    outcome: wit::Outcome,
    /// The memory of the call, which the result came out of.
    held: Held,
    meter: CpuMeter,
}

/// The account of a call's targets.
struct Account {
    accounting: Arc<Accounting>,
    published: Published,
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
        let account = step_type.and_then(|step_type| step_type.accounting.as_ref());
        let account = account.map(|accounting| Account {
            published: Published::new(accounting.targets_of(&params), self.limits.result, results),
            accounting: Arc::new(accounting.clone()),
        });
        context.published = account.as_ref().map(|account| account.published.clone());
        let finished = self.finish(context, &wire, &call, params, &redactor).await;
        let (schema, known) = (step_type.map(|step_type| step_type.result.clone()), redactor.clone());
        let Some(account) = account else {
            let (finished, parse) = (finished?, move |text: &str, room: &ResultsHeld| {
                read(text, room, schema.as_ref(), &known)
            });
            let partial = finished.outcome.partial;
            let (result, notes) = self.read_returned(finished, &call, &redactor, results, parse).await?;
            return Ok(StepOutcome { result, partial, notes });
        };
        let (finished, time) = match finished {
            Err(error) if account.published.is_empty() => return Err(error.into()),
            Err(error) => (Err(error), self.limits.grace),
            Ok(finished) => {
                let time = finished.meter.left().max(READ_AT_ONCE);
                (Ok(finished), time)
            }
        };
        let Accounted { mut result, partial } = account.read(&redactor, results, time).await;
        let parse =
            move |text: &str, room: &ResultsHeld| rest(text, &account.accounting, schema.as_ref(), room, &known);
        let rest = match finished {
            Ok(finished) => self.read_returned(finished, &call, &redactor, results, parse).await,
            Err(error) => Err(error),
        };
        match rest {
            Ok((rest, notes)) => {
                result.extend(rest);
                let result = result.into();
                Ok(StepOutcome { result, partial, notes })
            }
            // Whatever went wrong, the account stands.
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

    /// Parses what a step returned, and its notes, where it holds up no other call.
    async fn read_returned<T: Send + 'static>(
        &self,
        finished: Finished,
        call: &StepCall,
        redactor: &Redactor,
        results: &ResultsHeld,
        parse: impl FnOnce(&str, &ResultsHeld) -> Read<T> + Send + 'static,
    ) -> Result<(T, Vec<Note>), PluginError> {
        let Finished { outcome, held, meter } = finished;
        self.check_size(&outcome)?;
        let (text, room) = (outcome.result, results.another());
        let reading = tokio::task::spawn_blocking(move || parse(&text, &room));
        let read = self.within(&meter, &call.cancel, reading).await?;
        drop(held);
        let (value, weight) = read.map_err(|reason| self.invalid(&reason, redactor))?;
        let notes = read_notes(outcome.notes, redactor);
        if !results.keep(weight + weight_of(&notes)) {
            return Err(self.invalid(&no_room(results.limit()), redactor));
        }
        Ok((value, notes))
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

    /// Waits for a result to be read, which counts as the plugin's computing. Reading goes on for a moment after the wait has
    /// ended.
    async fn within<T>(
        &self,
        meter: &CpuMeter,
        cancel: &CancellationToken,
        reading: tokio::task::JoinHandle<T>,
    ) -> Result<T, PluginError> {
        let stopping = async {
            cancel.cancelled().await;
            tokio::time::sleep(self.limits.grace).await;
        };
        let spent = tokio::time::sleep(meter.left().max(READ_AT_ONCE));
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

impl Account {
    /// Reads what was published. Entries that are left when the time is up become failures that say so.
    async fn read(&self, redactor: &Redactor, results: &ResultsHeld, time: Duration) -> Accounted {
        let stop = Arc::new(AtomicBool::new(false));
        let (published, accounting) = (self.published.clone(), self.accounting.clone());
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
}

/// Parses what a plugin returned beside what the host assembles.
fn rest(
    text: &str,
    accounting: &Accounting,
    schema: Option<&Schema>,
    results: &ResultsHeld,
    redactor: &Redactor,
) -> Read<Map<String, Value>> {
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
    let rest = rest.into_iter().map(|(key, value)| (key, redactor.redact_json(value)));
    Ok((rest.collect(), weight))
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

fn read(text: &str, results: &ResultsHeld, schema: Option<&Schema>, redactor: &Redactor) -> Read<Value> {
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
