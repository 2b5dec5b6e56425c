//! Why there is no answer, and what the layers below say about it.

use std::error::Error as _;

use super::answer::CaptureError;
use crate::limits::Exhausted;
use crate::net::origin::Origin;
use crate::net::policy::PolicyError;
use crate::net::tls::TlsError;
use crate::secrets::HandleRefused;

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum EgressError {
    /// The plugin asked for something that the contract forbids.
    #[error("{0}")]
    InvalidRequest(String),
    /// It holds a handle that does not belong to this call.
    #[error(transparent)]
    Handle(HandleRefused),
    /// The operator's policy refuses the server's address. Nothing was sent.
    #[error(transparent)]
    Policy(PolicyError),
    /// More requests than [`Limits::requests`].
    #[error("this call has made the {limit} requests that it may make")]
    TooMany { limit: u32 },
    /// Nothing was sent: the name has no address.
    #[error("the name of {origin} has no address: {cause}")]
    Resolve { origin: Origin, cause: String },
    /// Nothing was sent: connection refused.
    #[error("cannot connect to {origin}{}: {cause}", if *.proxies { ", or to the proxy that the environment names" } else { "" })]
    Connect {
        origin: Origin,
        cause: String,
        /// Whether it may have been a proxy that was connected to.
        proxies: bool,
    },
    /// Nothing was sent: no agreement on TLS.
    #[error("cannot connect to {origin} securely: {cause}")]
    Tls { origin: Origin, cause: String },
    /// The server may or may not have acted.
    #[error("no answer from {origin} in time")]
    Timeout { origin: Origin },
    /// The connection broke with a request under way.
    #[error("the connection to {origin} broke: {cause}")]
    Interrupted { origin: Origin, cause: String },
    /// More bytes than [`Limits::body`].
    #[error("the answer of {origin} is larger than the {limit} bytes allowed")]
    TooLarge { origin: Origin, limit: usize },
    /// More header fields than [`Limits::headers`].
    #[error("the header fields of an answer of {origin} are larger than the {limit} bytes allowed")]
    HeadersTooLarge { origin: Origin, limit: usize },
    /// A frame of more bytes than [`Limits::body`].
    #[error("a websocket message is too large: {0}")]
    FrameTooLarge(String),
    /// More bytes on their way than a call may have there.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// A websocket whose peer reads nothing.
    #[error("{origin} takes nothing more")]
    Stalled { origin: Origin },
    /// A websocket handshake that ended in an ordinary answer.
    #[error("{server} answered {status} instead of opening a websocket")]
    Rejected { server: String, status: u16 },
    /// The answer is in an encoding that was not asked for.
    #[error("the answer of {origin} has an encoding that was not asked for")]
    Encoded { origin: Origin },
    /// The answer may hold a token that would reach the plugin.
    #[error("the answer of {origin} is withheld, because it may show the plugin a session token: {why}")]
    Captured { origin: Origin, why: CaptureError },
}

impl EgressError {
    /// Whether every call that had sent the same would have failed in the same way: the server failed, or the way to it.
    pub(super) fn is_of_server(&self) -> bool {
        match self {
            Self::Policy(_)
            | Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Interrupted { .. }
            | Self::TooLarge { .. }
            | Self::HeadersTooLarge { .. }
            | Self::Encoded { .. } => true,
            // Another call may have more time, or may send what this one may not.
            Self::Timeout { .. }
            | Self::InvalidRequest(_)
            | Self::Handle(_)
            | Self::TooMany { .. }
            | Self::Exhausted(_)
            | Self::FrameTooLarge(_)
            | Self::Stalled { .. }
            | Self::Rejected { .. }
            | Self::Captured { .. } => false,
        }
    }

    /// What a client's failure means.
    pub(super) fn of(error: reqwest::Error, origin: &Origin, proxies: bool) -> Self {
        let origin = origin.clone();
        let (connecting, timeout) = (error.is_connect(), error.is_timeout());
        // The URL could hold data of the alert; the origin says enough.
        let error = error.without_url();
        let cause = root_cause(&error);
        if let Some(refused) = refused(&error) {
            Self::Policy(refused)
        } else if let Some(cause) = tls_cause(&error) {
            Self::Tls { origin, cause }
        } else if connecting && timeout {
            Self::Connect {
                origin,
                cause: "no connection within 10 s".into(),
                proxies,
            }
        } else if connecting && is_dns(&error) {
            Self::Resolve { origin, cause }
        } else if connecting {
            Self::Connect { origin, cause, proxies }
        } else {
            Self::Interrupted { origin, cause }
        }
    }
}

/// Why a call cannot be given its network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantRefused {
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The innermost cause, which is what a person can act on.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// What the policy has to say, if it refused the addresses of the name.
fn refused(error: &reqwest::Error) -> Option<PolicyError> {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.find_map(|cause| cause.downcast_ref().cloned())
}

/// Whether the name could not be looked up. The connector has no type for that, only words.
fn is_dns(error: &reqwest::Error) -> bool {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.any(|cause| cause.to_string() == "dns error")
}

/// What the TLS library has to say, if the failure was its.
fn tls_cause(error: &reqwest::Error) -> Option<String> {
    let mut cause = error.source();
    while let Some(current) = cause {
        // An I/O error does not show the error it wraps as its source, and can wrap another.
        let mut wrapped = current;
        while let Some(inner) = wrapped
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
        {
            wrapped = inner;
        }
        let tls = wrapped.downcast_ref::<rustls::Error>();
        if let Some(tls) = tls {
            return Some(match tls {
                rustls::Error::InvalidMessage(_) => "the server does not speak TLS".into(),
                other => other.to_string(),
            });
        }
        cause = current.source();
    }
    None
}
