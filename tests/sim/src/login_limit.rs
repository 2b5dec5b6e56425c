//! How often the servers let somebody log in: ten times at once, and once more every six seconds.

use std::time::{Duration, Instant};

/// How many logins are allowed at once.
const BURST: u32 = 10;

/// How long it takes until one more is allowed.
const PERIOD: Duration = Duration::from_secs(6);

/// The logins that are allowed, as a bucket of tokens.
#[derive(Debug)]
pub(crate) struct LoginLimit {
    /// When the bucket is full, if nobody logs in before.
    full: Instant,
    /// How many attempts there were, refused ones included.
    attempts: usize,
}

impl Default for LoginLimit {
    fn default() -> Self {
        Self {
            full: Instant::now(),
            attempts: 0,
        }
    }
}

impl LoginLimit {
    /// Counts an attempt to log in. Returns how long to wait if it comes too early.
    pub(crate) fn attempt(&mut self) -> Result<(), Duration> {
        self.attempts += 1;
        let now = Instant::now();
        let full = self.full.max(now) + PERIOD;
        let early = full.saturating_duration_since(now + PERIOD * BURST);
        if early.is_zero() {
            self.full = full;
            return Ok(());
        }
        Err(early)
    }

    pub(crate) fn attempts(&self) -> usize {
        self.attempts
    }
}
