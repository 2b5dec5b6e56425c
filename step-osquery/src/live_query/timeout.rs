//! The time limit of a live query.

use std::time::Duration;

use serde_json::Value;

use crate::contract::{Failure, FailureKind};

/// A time limit from 1 to 900 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutSeconds(u16);

impl TimeoutSeconds {
    /// The limit of a playbook that sets none.
    pub const DEFAULT: Self = Self(60);

    /// Parses the value of a playbook.
    pub(crate) fn parse(value: Option<&Value>) -> Result<Self, Failure> {
        let seconds = match value {
            None => return Ok(Self::DEFAULT),
            Some(Value::Number(number)) => number.as_u64(),
            // A value that a template filled in is often a text.
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        seconds
            .and_then(|seconds| u16::try_from(seconds).ok())
            .filter(|seconds| (1..=900).contains(seconds))
            .map(Self)
            .ok_or_else(|| {
                Failure::new(
                    FailureKind::InvalidParams,
                    "timeout_seconds must be a whole number from 1 to 900",
                )
            })
    }

    /// Returns the limit as a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}
