//! Time.

use std::time::Duration;

use wasmtime::component::{Accessor, HasSelf};

use crate::sandbox::bindings::playbook::plugin::clock;
use crate::sandbox::call_state::{CallState, waiting};
use crate::sandbox::clocks::Clocks;

impl clock::Host for CallState {
    fn now(&mut self) -> wasmtime::Result<u64> {
        let shown = self.clocks.now();
        if let Some(tape) = &self.tape {
            tape.read(|clock| &mut clock.now_ms, shown);
        }
        Ok(shown)
    }

    fn monotonic(&mut self) -> wasmtime::Result<u64> {
        let shown = match &self.clocks {
            Clocks::Played(player) => player.monotonic(),
            Clocks::System | Clocks::Fixed(_) => millis(self.began.elapsed()),
        };
        if let Some(tape) = &self.tape {
            tape.read(|clock| &mut clock.monotonic_ms, shown);
        }
        Ok(shown)
    }
}

impl<T: Send> clock::HostWithStore<T> for HasSelf<CallState> {
    async fn sleep(accessor: &Accessor<T, Self>, ms: u64) -> wasmtime::Result<()> {
        let _waiting = waiting(accessor)?;
        let (clocks, tape) = accessor.with(|mut access| {
            let state = access.get();
            (state.clocks.clone(), state.tape.clone())
        });
        let written = tape.as_ref().map(|tape| (tape, tape.sleep(ms)));
        match clocks {
            Clocks::Played(player) => player.sleep(ms).await,
            Clocks::System | Clocks::Fixed(_) => tokio::time::sleep(Duration::from_millis(ms)).await,
        }
        if let Some((tape, ticket)) = written {
            tape.slept(ticket);
        }
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
