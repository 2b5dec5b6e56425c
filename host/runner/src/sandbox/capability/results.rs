//! What became of targets.

use crate::sandbox::bindings::playbook::plugin::results::{self, Refusal};
use crate::sandbox::call_state::CallState;
use crate::sandbox::event::CallEvent;
use crate::sandbox::published::{Entry, Refused};
use crate::text::weight;

/// The longest name of a target and the longest reason that are passed on, in bytes.
const LONGEST: usize = 1_000;

/// The most memory that an entry may take for whoever wants it at once, in bytes.
const HEAVIEST: usize = 64 << 20;

impl results::Host for CallState {
    fn publish(&mut self, target: String, entry: results::Entry) -> wasmtime::Result<Result<(), Refusal>> {
        let Some(published) = &self.published else {
            return Ok(Err(Refusal::UnknownTarget));
        };
        let entry = match entry {
            results::Entry::Found(json) => Entry::Found(json),
            results::Entry::Failed(reason) => Entry::Failed(self.printable(&reason, LONGEST)),
        };
        // Whoever wants it as it comes is told before it is put away.
        let part = self.wants_parts().then(|| self.part(&entry)).flatten();
        let (part, taken) = match published.publish(&target, entry) {
            Ok(()) => (part, Ok(())),
            Err(Refused::UnknownTarget) => (None, Err(Refusal::UnknownTarget)),
            Err(Refused::TooLarge(why)) => (Some(Err(why)), Err(Refusal::TooLarge)),
        };
        if let Some(outcome) = part.filter(|_| self.wants_parts()) {
            let subject = self.printable(&target, LONGEST);
            self.emit(CallEvent::Part { subject, outcome });
        }
        Ok(taken)
    }
}

impl CallState {
    /// An entry for those who want it as it comes; none if it cannot be read, which the result will say.
    fn part(&self, entry: &Entry) -> Option<Result<serde_json::Value, String>> {
        match entry {
            Entry::Found(json) => {
                let (value, _) = weight::read(json, HEAVIEST).ok()?;
                Some(Ok(self.redactor().redact_json(value)))
            }
            Entry::Failed(reason) => Some(Err(reason.clone())),
        }
    }
}
