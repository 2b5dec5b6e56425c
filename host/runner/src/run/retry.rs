//! Whether a failed call is made again, and when.
//!
//! Only a failure that time can cure is worth another attempt: the server could not be reached or was failing, or it asked
//! to slow down. The others come back. A wrong password stays wrong, a plugin that trapped traps again, and a call that ran
//! out of time has used the time that it was given.
//!
//! And another attempt must not do twice what may be done once. A plugin says of each request whether it may be repeated
//! (`repeatable` in the contract); an attempt that got one through which may not, such as the start of a query, is the last.

use std::time::Duration;

use crate::backoff;
use crate::sandbox::plugin::{FailureKind, PluginError, StepFailure};

/// The attempts of one call.
#[derive(Debug, Clone)]
pub(crate) struct Attempts {
    made: u32,
    most: u32,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Another attempt, after this long.
    Again(Duration),
    /// Nothing: there are no attempts left, or another would not help.
    Final,
    /// Nothing, although another attempt might help: the server may have acted on this one.
    NotSafe,
}

impl Attempts {
    /// The first attempt, and at most so many more.
    pub(crate) fn first(retries: u32) -> Self {
        Self {
            made: 1,
            most: retries.saturating_add(1),
        }
    }

    /// How many were made.
    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    /// Counts another attempt.
    pub(crate) fn again(&mut self) {
        self.made += 1;
    }

    /// What follows this failure of the latest attempt.
    pub(crate) fn after(&self, error: &PluginError) -> Retry {
        let PluginError::Failed(StepFailure {
            kind: FailureKind::Unavailable | FailureKind::RateLimited,
            acted,
            ..
        }) = error
        else {
            return Retry::Final;
        };
        if self.made >= self.most {
            return Retry::Final;
        }
        if *acted {
            return Retry::NotSafe;
        }
        Retry::Again(backoff::full_jitter(self.made))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::step::MOST_RETRIES;
    use crate::sandbox::call::CallError;

    fn failed(kind: FailureKind, acted: bool) -> PluginError {
        PluginError::Failed(StepFailure {
            kind,
            message: "m".into(),
            hint: None,
            acted,
        })
    }

    #[test]
    fn only_what_time_can_cure_is_tried_again_and_only_where_nothing_was_done() {
        use FailureKind::{
            Auth, Cancelled, Internal, InvalidParams, NotAllowed, NotFound, Permission, Protocol, RateLimited, Timeout,
            Unavailable,
        };
        for kind in [Unavailable, RateLimited] {
            let verdict = Attempts::first(1).after(&failed(kind, false));
            assert!(matches!(verdict, Retry::Again(wait) if wait <= Duration::from_secs(1)));
            assert_eq!(Attempts::first(1).after(&failed(kind, true)), Retry::NotSafe);
            assert_eq!(Attempts::first(0).after(&failed(kind, false)), Retry::Final);
        }
        for kind in [
            Auth,
            Cancelled,
            Internal,
            InvalidParams,
            NotAllowed,
            NotFound,
            Permission,
            Protocol,
            Timeout,
        ] {
            assert_eq!(Attempts::first(9).after(&failed(kind, false)), Retry::Final, "{kind:?}");
        }
        let trap = PluginError::Call {
            plugin: "p".into(),
            source: CallError::StackOverflow,
        };
        assert_eq!(Attempts::first(9).after(&trap), Retry::Final);
    }

    #[test]
    fn the_waits_grow_up_to_a_minute_and_the_attempts_are_counted() {
        let mut attempts = Attempts::first(MOST_RETRIES);
        for retry in 0..MOST_RETRIES {
            let Retry::Again(wait) = attempts.after(&failed(FailureKind::Unavailable, false)) else {
                panic!("retry {retry} is due");
            };
            assert!(wait <= Duration::from_secs(1 << retry).min(backoff::LONGEST));
            attempts.again();
        }
        assert_eq!(attempts.after(&failed(FailureKind::Unavailable, false)), Retry::Final);
        assert_eq!(attempts.made(), MOST_RETRIES + 1);
    }
}
