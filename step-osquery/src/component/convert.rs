//! Conversions between the contract's types and the plugin's.

use std::time::Duration;

use jiff::Timestamp;

use super::bindings::exports::playbook::plugin::connector as wit;
use super::bindings::playbook::plugin::{http, types};
use crate::contract::{Failure, FailureKind, Finding, Severity, TransportError, TransportKind};

/// Returns an encoded event as the contract has it.
pub(super) fn event_of((json, severity): (String, Severity)) -> wit::Event {
    wit::Event {
        json,
        severity: match severity {
            Severity::Info => wit::Severity::Info,
            Severity::Low => wit::Severity::Low,
            Severity::Medium => wit::Severity::Medium,
            Severity::High => wit::Severity::High,
        },
    }
}

impl From<Finding> for types::Finding {
    fn from(finding: Finding) -> Self {
        Self {
            subject: finding.subject.into_owned(),
            text: finding.text,
            ok: finding.ok,
        }
    }
}

impl From<http::Failure> for TransportError {
    fn from(failure: http::Failure) -> Self {
        let kind = match failure.kind {
            http::FailureKind::InvalidRequest => TransportKind::Refused,
            http::FailureKind::Denied => TransportKind::Denied,
            http::FailureKind::Resolve => TransportKind::Resolve,
            http::FailureKind::Connect => TransportKind::Connect,
            http::FailureKind::Tls => TransportKind::Tls,
            http::FailureKind::Timeout => TransportKind::Timeout,
            http::FailureKind::Interrupted => TransportKind::Interrupted,
            http::FailureKind::TooLarge => TransportKind::TooLarge,
            // The server may have acted.
            http::FailureKind::Other(_) => TransportKind::Interrupted,
        };
        Self {
            kind,
            message: failure.message,
        }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        let kind = match failure.kind {
            FailureKind::InvalidParams => types::FailureKind::InvalidParams,
            FailureKind::NotAllowed => types::FailureKind::NotAllowed,
            FailureKind::Auth => types::FailureKind::Auth,
            FailureKind::Permission => types::FailureKind::Permission,
            FailureKind::NotFound => types::FailureKind::NotFound,
            FailureKind::RateLimited => types::FailureKind::RateLimited,
            FailureKind::Unavailable => types::FailureKind::Unavailable,
            FailureKind::Protocol => types::FailureKind::Protocol,
            FailureKind::Timeout => types::FailureKind::Timeout,
            FailureKind::Cancelled => types::FailureKind::Cancelled,
            FailureKind::Internal => types::FailureKind::Internal,
        };
        Self {
            kind,
            message: failure.message,
            hint: failure.hint,
        }
    }
}

/// Returns a time in milliseconds since 1970 as a timestamp.
pub(super) fn timestamp(ms: u64) -> Timestamp {
    let timestamp = i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    timestamp.unwrap_or(Timestamp::MAX)
}

/// Returns a duration in milliseconds, rounded up so that a wait never ends too early.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
}
