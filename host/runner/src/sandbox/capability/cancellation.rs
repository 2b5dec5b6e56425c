//! The wish to stop.

use wasmtime::component::{Accessor, HasSelf};

use crate::sandbox::bindings::playbook::plugin::cancellation;
use crate::sandbox::call_state::{CallState, waiting};
use crate::sandbox::clocks::Clocks;

impl cancellation::Host for CallState {
    fn asked(&mut self) -> wasmtime::Result<bool> {
        let asked = match &self.clocks {
            Clocks::Played(player) => player.stop_was_asked(),
            Clocks::System | Clocks::Fixed(_) => self.cancel.is_cancelled(),
        };
        if asked && let Some(tape) = &self.tape {
            tape.stop_asked();
        }
        Ok(asked)
    }
}

impl<T: Send> cancellation::HostWithStore<T> for HasSelf<CallState> {
    async fn requested(accessor: &Accessor<T, Self>) -> wasmtime::Result<()> {
        let _waiting = waiting(accessor)?;
        let (cancel, clocks, tape) = accessor.with(|mut access| {
            let state = access.get();
            (state.cancel.clone(), state.clocks.clone(), state.tape.clone())
        });
        match clocks {
            Clocks::Played(player) => player.stop_asked().await,
            Clocks::System | Clocks::Fixed(_) => cancel.cancelled().await,
        }
        if let Some(tape) = tape {
            tape.stop_asked();
        }
        Ok(())
    }
}
