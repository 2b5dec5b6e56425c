//! Failures of a step, in the kinds of the contract.

/// A kind of failure that users must treat differently from the others. The contract documents each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented, one by one, in the contract")]
pub enum FailureKind {
    InvalidParams,
    NotAllowed,
    Auth,
    Permission,
    NotFound,
    RateLimited,
    Unavailable,
    Protocol,
    Timeout,
    Cancelled,
    Internal,
}

/// A failure of a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The kind of failure.
    pub kind: FailureKind,
    /// The problem, as a sentence fragment.
    pub message: String,
    /// Advice on what to do next, if there is any.
    pub hint: Option<String>,
}

impl Failure {
    /// Creates a failure without a hint.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    /// Returns the failure with this hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}
