//! What a call may use.

use crate::sandbox::bindings::playbook::plugin::limits;
use crate::sandbox::call_state::CallState;
use crate::sandbox::clocks::Clocks;
use crate::sandbox::transcript::Allowed;

impl CallState {
    /// What the call may use; in a replay, what the recorded one could.
    fn allowed(&self) -> Allowed {
        let allowed = match &self.clocks {
            Clocks::Played(player) => player.allowed().unwrap_or(self.allowed),
            Clocks::System | Clocks::Fixed(_) => self.allowed,
        };
        if let Some(tape) = &self.tape {
            tape.allowed(allowed);
        }
        allowed
    }
}

impl limits::Host for CallState {
    fn deadline(&mut self) -> wasmtime::Result<u64> {
        Ok(self.allowed().deadline_ms)
    }

    fn body(&mut self) -> wasmtime::Result<u64> {
        Ok(self.allowed().body)
    }

    fn memory(&mut self) -> wasmtime::Result<u64> {
        Ok(self.allowed().memory)
    }
}
