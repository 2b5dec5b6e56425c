//! Why a step failed, in the contract's kinds.

/// What a user must treat differently. The contract documents each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented, one by one, in the contract")]
pub enum Kind {
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

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure.
    pub kind: Kind,
    /// What happened, as a sentence fragment.
    pub message: String,
    /// What to do next, if that is known.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}
