//! How far a call has come.

use crate::bindings::playbook::plugin::progress;
use crate::call::CallState;
use crate::event::{CallEvent, Progress};

/// The longest text that is passed on, in bytes.
const LONGEST: usize = 200;

impl progress::Host for CallState {
    fn report(&mut self, update: progress::Update) -> wasmtime::Result<()> {
        let message = self.printable(&update.message, LONGEST);
        self.emit(CallEvent::Progress(Progress {
            done: update.done,
            total: update.total,
            message,
        }));
        Ok(())
    }
}
