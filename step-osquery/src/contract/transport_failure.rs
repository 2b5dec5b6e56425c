//! Turns an exchange that failed into a failure of the step, with a hint if there is one.

use super::failure::{Failure, FailureKind};
use super::http::{TransportError, TransportKind};

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        let failure = |kind| Self::new(kind, error.message);
        match error.kind {
            TransportKind::Refused => failure(FailureKind::InvalidParams),
            TransportKind::Denied => failure(FailureKind::NotAllowed),
            TransportKind::Resolve => {
                failure(FailureKind::Unavailable).hint("check the host name in base_url, and the DNS of this machine")
            }
            TransportKind::Connect => {
                failure(FailureKind::Unavailable).hint("check that base_url is right and that the server is running")
            }
            TransportKind::Tls => failure(FailureKind::Unavailable).hint(
                "if the server's certificate comes from a private authority, name its PEM file in ca_file; if the server \
                 asks for a certificate, name yours in client_certificate; verify_tls: false switches the check off",
            ),
            TransportKind::Timeout => failure(FailureKind::Timeout),
            TransportKind::Interrupted => failure(FailureKind::Unavailable),
            TransportKind::TooLarge => failure(FailureKind::Protocol),
        }
    }
}
