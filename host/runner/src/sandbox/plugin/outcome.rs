//! Reading what a step returned: within the limits of the call, and where it holds up nobody.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Note, Plugin, PluginError, StepCall, StepFailure, StepOutcome};
use crate::limits::{CpuMeter, ResultsHeld};
use crate::sandbox::call::{CallContext, CallError, Returned};
use crate::sandbox::described::{remarks, words};
use crate::sandbox::wire::Wire;
use crate::secrets::Redactor;
use crate::text::schema::Schema;
use crate::text::weight::{self, Unread};

/// What a result is and weighs, or what is wrong with it.
type Read = Result<(Value, usize), String>;

impl Plugin {
    /// Runs a step in this context, and reads what it returns.
    pub(super) async fn outcome(
        &self,
        context: CallContext,
        wire: Wire,
        call: StepCall,
        results: &ResultsHeld,
    ) -> Result<StepOutcome, PluginError> {
        let (step_type, params) = (call.step_type.clone(), context.secrets.enter(&call.params).to_string());
        let redactor = context.secrets.redactor();
        let Returned { value, held, meter } = self
            .call_and_hold(context, async |accessor, step| {
                step.call_run(accessor, step_type, params).await
            })
            .await?;
        let outcome = value.map_err(|failure| StepFailure {
            acted: wire.acted(),
            ..StepFailure::read(failure, &redactor)
        })?;
        let invalid = |reason: String| PluginError::InvalidResult {
            plugin: self.name.clone(),
            reason: redactor.redact_words(&reason).into_owned(),
        };
        let limit = self.limits.result;
        if outcome.result.len() > limit {
            return Err(invalid(format!("it is larger than the {limit} bytes allowed")));
        }
        let schema = self.types.steps.iter().find(|known| known.name == call.step_type);
        let schema = schema.map(|step_type| step_type.result.clone());
        let (text, most) = (outcome.result, results.left());
        let known = redactor.clone();
        let reading = tokio::task::spawn_blocking(move || read(&text, most, schema.as_ref(), &known));
        let read = self.within(&meter, &call.cancel, reading).await?;
        drop(held);
        let (result, weight) = read.map_err(invalid)?;
        let notes = remarks(outcome.notes).into_iter().map(|note| Note {
            subject: words(&note.subject, &redactor),
            text: words(&note.text, &redactor),
        });
        let notes: Vec<Note> = notes.collect();
        let noted = notes
            .iter()
            .map(|note| size_of::<Note>() + note.subject.len() + note.text.len());
        if !results.keep(weight + noted.sum::<usize>()) {
            return Err(invalid(no_room(results.limit())));
        }
        Ok(StepOutcome {
            result,
            partial: outcome.partial,
            notes,
        })
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
            tokio::time::sleep(meter.left().max(Duration::from_millis(100))).await;
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

fn read(text: &str, most: usize, schema: Option<&Schema>, redactor: &Redactor) -> Read {
    let weighed = |text: &str| {
        weight::read(text, most).map_err(|unread| match unread {
            Unread::Json(error) => format!("not JSON: {error}"),
            Unread::TooLarge { limit } => no_room(limit),
        })
    };
    let (result, weight) = weighed(text)?;
    if let Some(problem) = schema.and_then(|schema| schema.validate(&result).into_iter().next()) {
        return Err(format!("{} at `{}`", problem.message, problem.pointer));
    }
    // The handles of this call mean something here, and nowhere else.
    match redactor.redact_json_text(text) {
        Cow::Borrowed(_) => Ok((result, weight)),
        Cow::Owned(redacted) => {
            drop(result);
            weighed(&redacted)
        }
    }
}

fn no_room(limit: usize) -> String {
    format!(
        "with it, results would take more than the {} MiB of memory that they may take (`results_mib` in a policy)",
        limit >> 20
    )
}
