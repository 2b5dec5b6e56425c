//! The server's clock. It need not be right, and a test can move it.

use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::HeaderValue;
use jiff::{SignedDuration, Timestamp, Unit};

/// The real time, and so many seconds on top.
#[derive(Debug)]
pub(super) struct Clock(AtomicI64);

impl Clock {
    pub(super) fn new(offset_seconds: i64) -> Self {
        Self(AtomicI64::new(offset_seconds))
    }

    /// Moves it on, or back.
    pub(super) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    /// What it shows, as exact as the database keeps it.
    pub(super) fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_secs(self.0.load(Ordering::Relaxed));
        let now = Timestamp::now().saturating_add(offset).unwrap_or(Timestamp::MAX);
        now.round(Unit::Microsecond).unwrap_or(now)
    }

    /// What it shows, as the header `Date` has it.
    pub(super) fn date(&self) -> HeaderValue {
        let text = self.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        text.try_into().expect("a date is plain ASCII")
    }
}
