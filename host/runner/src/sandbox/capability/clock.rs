//! Time.

use std::time::Duration;

use jiff::Timestamp;
use wasmtime::component::{Accessor, HasSelf};

use crate::sandbox::bindings::playbook::plugin::clock;
use crate::sandbox::call::CallState;
use crate::sandbox::transcript::Player;

/// The clocks that a call sees.
#[derive(Debug, Clone)]
pub(crate) enum Clock {
    /// The system's.
    System,
    /// The system's, but that on the wall stands still at a moment.
    Fixed(Timestamp),
    /// Those of an earlier call.
    Played(Player),
}

impl Clock {
    fn now(&self) -> u64 {
        match self {
            Self::System => {
                let now = crate::clock::now();
                // A clock set before 1970 reads as 1970.
                u64::try_from(now.as_millisecond()).unwrap_or_default()
            }
            Self::Fixed(moment) => u64::try_from(moment.as_millisecond()).unwrap_or_default(),
            Self::Played(player) => player.now(),
        }
    }
}

impl clock::Host for CallState {
    fn now(&mut self) -> wasmtime::Result<u64> {
        let shown = self.clock.now();
        if let Some(tape) = &self.tape {
            tape.read(|clock| &mut clock.now_ms, shown);
        }
        Ok(shown)
    }

    fn monotonic(&mut self) -> wasmtime::Result<u64> {
        let shown = match &self.clock {
            Clock::Played(player) => player.monotonic(),
            Clock::System | Clock::Fixed(_) => millis(self.began.elapsed()),
        };
        if let Some(tape) = &self.tape {
            tape.read(|clock| &mut clock.monotonic_ms, shown);
        }
        Ok(shown)
    }
}

impl<T: Send> clock::HostWithStore<T> for HasSelf<CallState> {
    async fn sleep(accessor: &Accessor<T, Self>, ms: u64) -> wasmtime::Result<()> {
        let (clock, tape) = accessor.with(|mut access| {
            let state = access.get();
            (state.clock.clone(), state.tape.clone())
        });
        let written = tape.as_ref().map(|tape| (tape, tape.sleep(ms)));
        match clock {
            Clock::Played(player) => player.sleep(ms).await,
            Clock::System | Clock::Fixed(_) => tokio::time::sleep(Duration::from_millis(ms)).await,
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
