//! Pieces of a result.

use wasmtime::error::Context as _;

use crate::sandbox::bindings::playbook::plugin::parts;
use crate::sandbox::call_state::CallState;
use crate::sandbox::event::CallEvent;

/// The longest name of a subject and the longest reason that are passed on, in bytes.
const LONGEST: usize = 1_000;

impl parts::Host for CallState {
    fn wanted(&mut self) -> wasmtime::Result<bool> {
        Ok(self.wants_parts())
    }

    fn tell(&mut self, part: parts::Part) -> wasmtime::Result<()> {
        if !self.wants_parts() {
            return Ok(());
        }
        let subject = self.printable(&part.subject, LONGEST);
        let outcome = match part.outcome {
            Ok(json) => {
                let value = serde_json::from_str(&json).context("a part of the result is not JSON")?;
                Ok(self.redactor().redact_json(value))
            }
            Err(reason) => Err(self.printable(&reason, LONGEST)),
        };
        self.emit(CallEvent::Part { subject, outcome });
        Ok(())
    }
}
