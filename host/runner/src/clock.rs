//! The wall clock. It is read here and nowhere else. How much time passes is told by `tokio::time`, which tests can stop.

use jiff::Timestamp;

/// What the clock on the wall says.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
