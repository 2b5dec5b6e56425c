//! Why a request of a plugin has no answer, be it live, played or silent.

use super::{NetworkFailure, NetworkFailureKind};
use crate::net::egress::EgressError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The network failed, or a request was refused before it was sent.
    #[error(transparent)]
    Live(#[from] EgressError),
    /// The call was granted no server.
    #[error("this call was granted no network access")]
    Silent,
    /// What went wrong when the call was recorded.
    #[error("{}", .0.message)]
    Recorded(NetworkFailure),
    /// The recorded websocket handshake ended in an ordinary answer.
    #[error("the server answered {status} instead of opening a websocket")]
    Rejected { status: u16 },
    /// The call is answered from a record, which does not have this.
    #[error("the record does not have {0}")]
    Unrecorded(String),
}

impl WireError {
    /// The kind of failure, in the contract's words.
    pub(crate) fn kind(&self) -> NetworkFailureKind {
        match self {
            Self::Live(error) => kind_of(error),
            Self::Silent | Self::Unrecorded(_) => NetworkFailureKind::Denied,
            Self::Recorded(failure) => failure.kind,
            Self::Rejected { .. } => NetworkFailureKind::Interrupted,
        }
    }

    /// The status of the answer that came instead of a websocket.
    pub(crate) fn rejected_status(&self) -> Option<u16> {
        match self {
            Self::Rejected { status } | Self::Live(EgressError::Rejected { status, .. }) => Some(*status),
            _ => None,
        }
    }
}

fn kind_of(error: &EgressError) -> NetworkFailureKind {
    match error {
        EgressError::InvalidRequest(_) | EgressError::Handle(_) => NetworkFailureKind::InvalidRequest,
        EgressError::Policy(_) | EgressError::TooMany { .. } | EgressError::Captured { .. } => {
            NetworkFailureKind::Denied
        }
        EgressError::Resolve { .. } => NetworkFailureKind::Resolve,
        EgressError::Connect { .. } => NetworkFailureKind::Connect,
        EgressError::Tls { .. } => NetworkFailureKind::Tls,
        EgressError::Timeout { .. } => NetworkFailureKind::Timeout,
        EgressError::Interrupted { .. }
        | EgressError::Stalled { .. }
        | EgressError::Encoded { .. }
        | EgressError::Rejected { .. } => NetworkFailureKind::Interrupted,
        EgressError::TooLarge { .. }
        | EgressError::HeadersTooLarge { .. }
        | EgressError::FrameTooLarge(_)
        | EgressError::Exhausted(_) => NetworkFailureKind::TooLarge,
    }
}
