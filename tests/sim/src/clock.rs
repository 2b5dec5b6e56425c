//! What a server takes for the time.

use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::HeaderValue;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// A clock that can be wrong, by a number of seconds.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicI64);

impl Clock {
    /// Moves it, back if the number is negative.
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    /// The time, in whole seconds: `Date` has no others, and most timestamps of the servers have none either.
    pub(crate) fn now(&self) -> Timestamp {
        let second = Timestamp::now()
            .as_second()
            .saturating_add(self.0.load(Ordering::Relaxed));
        Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The value of `Date`.
    pub(crate) fn date(&self) -> HeaderValue {
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&self.now());
        HeaderValue::from_str(&date.unwrap_or_default()).expect("a date is ASCII")
    }
}
