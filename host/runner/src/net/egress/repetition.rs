//! When a request is sent again, and whether the server may have acted on it.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use reqwest::header::RETRY_AFTER;

use super::{EgressError, Response};

/// How often a request that may be repeated is repeated.
const RETRIES: usize = 3;

/// The longest pause that a server may wish for.
const LONGEST_WISH: Duration = Duration::from_mins(1);

/// How long to wait before each repetition.
pub(super) fn delays() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_mins(1))
        .with_max_times(RETRIES)
        .with_jitter()
        .build()
}

/// Whether the server certainly did not act on a request: it never arrived, or was refused.
///
/// An answer of 500 and above is none: a gateway gives it for a server that acted and whose answer was lost.
pub(super) fn was_refused(outcome: &Result<Response, EgressError>) -> bool {
    match outcome {
        Ok(response) => (400..500).contains(&response.status),
        Err(error) => matches!(
            error,
            EgressError::Connect { .. }
                | EgressError::Resolve { .. }
                | EgressError::Tls { .. }
                | EgressError::InvalidRequest(_)
                | EgressError::Handle(_)
                | EgressError::Policy(_)
                | EgressError::TooMany { .. }
        ),
    }
}

/// Whether to send again, and the server's wish for when.
pub(super) fn may_repeat(outcome: &Result<Response, EgressError>, repeatable: bool) -> Option<Duration> {
    match outcome {
        Err(EgressError::Connect { .. } | EgressError::Resolve { .. }) => Some(Duration::ZERO),
        Err(EgressError::Interrupted { .. }) if repeatable => Some(Duration::ZERO),
        Ok(response) if repeatable && matches!(response.status, 429 | 502 | 503 | 504) => {
            let after = response.headers.iter().find(|(name, _)| name == RETRY_AFTER.as_str());
            // Only the form in seconds: the form as a date would need the server's clock.
            let seconds = after.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0);
            // A server that asks for an hour is asked again sooner, as often as the call allows.
            Some(Duration::from_secs(seconds).min(LONGEST_WISH))
        }
        _ => None,
    }
}
