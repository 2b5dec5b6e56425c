//! The moment at which a step must have ended.

use std::time::Duration;

/// A moment on the host's monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Duration);

impl Deadline {
    /// Returns the moment that lies this long after `now`, a reading of the monotonic clock.
    pub fn after(now: Duration, timeout: Duration) -> Self {
        Self(now + timeout)
    }

    /// Returns the moment of this reading of the monotonic clock.
    pub fn at(moment: Duration) -> Self {
        Self(moment)
    }

    /// Returns the time that is left at `now`, which is zero once the moment has passed.
    pub fn left(self, now: Duration) -> Duration {
        self.0.saturating_sub(now)
    }
}
