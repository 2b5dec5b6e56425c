//! Pieces of a result.

use wasmtime::error::Context as _;

use crate::sandbox::bindings::playbook::plugin::parts;
use crate::sandbox::call_state::CallState;
use crate::sandbox::event::CallEvent;
use crate::sandbox::quota::Quota;
use crate::text::weight;

/// The longest name of a subject and the longest reason that are passed on, in bytes.
const LONGEST: usize = 1_000;

/// The most memory that a piece may take, in bytes.
const HEAVIEST: usize = 64 << 20;

impl parts::Host for CallState {
    fn wanted(&mut self) -> wasmtime::Result<bool> {
        Ok(self.wants_parts())
    }

    fn tell(&mut self, part: parts::Part) -> wasmtime::Result<()> {
        if !self.wants_parts() {
            return Ok(());
        }
        let size = part.subject.len() + part.outcome.as_ref().map_or_else(String::len, String::len);
        let left = self.parts_left.checked_sub(size).ok_or_else(|| {
            wasmtime::Error::new(Quota {
                what: "the pieces of its result",
                many: true,
                limit: self.parts_limit,
            })
        })?;
        self.parts_left = left;
        let subject = self.printable(&part.subject, LONGEST);
        let outcome = match part.outcome {
            Ok(json) => {
                let (value, _) = weight::read(&json, HEAVIEST).context("a part of the result cannot be read")?;
                Ok(self.redactor().redact_json(value))
            }
            Err(reason) => Err(self.printable(&reason, LONGEST)),
        };
        self.emit(CallEvent::Part { subject, outcome });
        Ok(())
    }
}
