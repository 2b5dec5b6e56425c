//! The results of a step, published target by target.

use crate::sandbox::bindings::playbook::plugin::results::{self, Refusal};
use crate::sandbox::call_state::CallState;
use crate::sandbox::event::CallEvent;
use crate::sandbox::published::{Entry, Refused};
use crate::text::weight;

/// The longest target name and the longest reason that are passed on, in bytes.
const LONGEST: usize = 1_000;

/// The most memory that an entry may take to be passed on at once, in bytes.
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
        // The part is made first: publishing moves the entry.
        let part = self.wants_parts().then(|| self.part(&entry)).flatten();
        match published.publish(&target, entry) {
            Ok(()) => {
                self.emit_part(&target, part);
                Ok(Ok(()))
            }
            Err(Refused::UnknownTarget) => Ok(Err(Refusal::UnknownTarget)),
            Err(Refused::TooLarge(why)) => {
                self.emit_part(&target, Some(Err(why)));
                Ok(Err(Refusal::TooLarge))
            }
        }
    }
}

impl CallState {
    /// Returns an entry as a part of the result, or none if it cannot be read: the result will say why.
    fn part(&self, entry: &Entry) -> Option<Result<serde_json::Value, String>> {
        match entry {
            Entry::Found(json) => {
                let (value, _) = weight::read(json, HEAVIEST).ok()?;
                Some(Ok(self.redactor().redact_json(value)))
            }
            Entry::Failed(reason) => Some(Err(reason.clone())),
        }
    }

    /// Emits a part of the result, if parts are wanted.
    fn emit_part(&self, target: &str, part: Option<Result<serde_json::Value, String>>) {
        if let Some(outcome) = part.filter(|_| self.wants_parts()) {
            let subject = self.printable(target, LONGEST);
            self.emit(CallEvent::Part { subject, outcome });
        }
    }
}
