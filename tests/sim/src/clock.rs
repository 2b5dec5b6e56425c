//! What a server takes for the time.

use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::HeaderValue;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp, Unit};

/// A clock that can be wrong, by a number of seconds.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicI64);

impl Clock {
    /// Moves it, back if the number is negative.
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    /// The time, as exact as a database keeps it.
    pub(crate) fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_secs(self.0.load(Ordering::Relaxed));
        let now = Timestamp::now().saturating_add(offset).unwrap_or(Timestamp::MAX);
        now.round(Unit::Microsecond).unwrap_or(now)
    }

    /// The time in whole seconds: `Date` has no others, and most of Fleet's timestamps have none either.
    pub(crate) fn second(&self) -> Timestamp {
        Timestamp::from_second(self.now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The value of `Date`.
    pub(crate) fn date(&self) -> HeaderValue {
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&self.second());
        HeaderValue::from_str(&date.unwrap_or_default()).expect("a date is ASCII")
    }
}
