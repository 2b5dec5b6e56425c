//! How long to wait before trying again.

use std::time::Duration;

/// The first wait, at most.
const FIRST: Duration = Duration::from_secs(1);

/// No wait is longer.
pub(crate) const LONGEST: Duration = Duration::from_mins(1);

/// A wait after so many failures in a row, at least one: anything up to a limit that doubles each time (full jitter), so that
/// clients that failed together do not come back together.
pub(crate) fn full_jitter(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let limit = (FIRST * 2_u32.pow(doublings)).min(LONGEST);
    limit.mul_f64(fastrand::f64())
}

/// The interval, a tenth shorter or longer, so that pollers do not march in step.
pub(crate) fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * fastrand::f64())
}
