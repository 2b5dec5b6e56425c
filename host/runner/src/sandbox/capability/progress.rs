//! How far a call has come.

use crate::sandbox::bindings::playbook::plugin::progress;
use crate::sandbox::call_state::CallState;
use crate::sandbox::event::Progress;

/// The longest text that is passed on, in bytes.
const LONGEST: usize = 200;

impl progress::Host for CallState {
    fn report(&mut self, update: progress::Update) -> wasmtime::Result<()> {
        let message = self.printable(&update.message, LONGEST);
        self.progress.report(Progress {
            done: update.done,
            total: update.total,
            message,
        });
        Ok(())
    }
}
