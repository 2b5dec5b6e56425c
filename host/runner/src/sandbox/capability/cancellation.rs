//! The wish to stop.

use wasmtime::component::{Accessor, HasSelf};

use super::clock::Clock;
use crate::sandbox::bindings::playbook::plugin::cancellation;
use crate::sandbox::call::CallState;

impl cancellation::Host for CallState {}

impl<T: Send> cancellation::HostWithStore<T> for HasSelf<CallState> {
    async fn requested(accessor: &Accessor<T, Self>) -> wasmtime::Result<()> {
        let (cancel, clock, tape) = accessor.with(|mut access| {
            let state = access.get();
            (state.cancel.clone(), state.clock.clone(), state.tape.clone())
        });
        match clock {
            Clock::Played(player) => player.stop_asked().await,
            Clock::System | Clock::Fixed(_) => cancel.cancelled().await,
        }
        if let Some(tape) = tape {
            tape.stop_asked();
        }
        Ok(())
    }
}
