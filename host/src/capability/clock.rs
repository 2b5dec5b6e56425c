//! Time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmtime::component::{Accessor, HasSelf};

use crate::bindings::playbook::plugin::clock;
use crate::call::CallState;

impl clock::Host for CallState {
    fn now(&mut self) -> wasmtime::Result<u64> {
        if let Some(moment) = self.fixed_clock {
            return Ok(u64::try_from(moment.as_millisecond()).unwrap_or_default());
        }
        // A clock set before 1970 reads as 1970.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(millis(since_epoch))
    }

    fn monotonic(&mut self) -> wasmtime::Result<u64> {
        Ok(millis(self.began.elapsed()))
    }
}

impl<T: Send> clock::HostWithStore<T> for HasSelf<CallState> {
    async fn sleep(_accessor: &Accessor<T, Self>, ms: u64) -> wasmtime::Result<()> {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
