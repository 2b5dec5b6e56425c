//! What a plugin can do besides computing: one module for each interface that it may import.

pub(crate) mod cancellation;
pub(crate) mod clock;
pub(crate) mod http;
pub(crate) mod limits;
pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod results;
pub(crate) mod session;
pub(crate) mod state;
pub(crate) mod websocket;

use std::time::Duration;

/// The longest time that anything waits, in milliseconds: a year. A call is over long before.
const LONGEST: u64 = 366 * 24 * 3_600_000;

/// A time limit that a plugin gives.
fn patience(ms: u64) -> Duration {
    Duration::from_millis(ms.min(LONGEST))
}
