//! Fleet's API, as far as it differs from others.

use serde_json::{Value, json};

use super::wire::{ErrorBody, LoggedIn};
use crate::contract::{Failure, FailureKind, Response};
use crate::server::{Api, common_refusal, decode, message, refused};

/// Fleet's identifier of a host.
pub(super) type HostId = u64;

/// Fleet's API; both versions of its prefix lead to the same routes.
pub(crate) struct FleetApi;

impl Api for FleetApi {
    const SERVER: &'static str = "Fleet";
    const ROOT: &'static str = "/api/v1/fleet";
    const LOGIN: &'static str = "/login";
    const LOGIN_SECRETS: &'static [&'static str] = &["/token"];
    type HostId = HostId;

    fn login(username: &str, password: &str) -> Value {
        json!({"email": username, "password": password})
    }

    fn token(response: &Response) -> Result<String, Failure> {
        let explanation = || message::<Self>(response);
        match response.status {
            401 => {
                return Err(Failure::new(FailureKind::Auth, format!("Fleet refused the login: {}", explanation()))
                    .hint("check username (an e-mail address) and password; a user of single sign-on has no password and needs api_token"));
            }
            202 | 400 => {
                return Err(Failure::new(
                    FailureKind::Auth,
                    format!("Fleet wants a second factor for this user: {}", explanation()),
                )
                .hint("use an API-only user, or the api_token of this one"));
            }
            _ => {}
        }
        let logged_in: LoggedIn = decode::<Self, _>(response)?;
        logged_in
            .token
            .filter(|token| !token.is_empty())
            .ok_or_else(|| Failure::new(FailureKind::Auth, "Fleet accepted the login and gave no token"))
    }

    fn refusal(response: &Response) -> Failure {
        let explanation = message::<Self>(response);
        let failure = |kind, what: &str| refused::<Self>(response, kind, what);
        match response.status {
            401 if explanation.contains("password reset") => {
                failure(FailureKind::Auth, "Fleet wants a new password for this user first")
                    .hint("log in to Fleet and set one")
            }
            401 => failure(FailureKind::Auth, "Fleet did not accept the token")
                .hint("the token may be wrong or expired; an API-only user's token does not expire"),
            402 => failure(FailureKind::Permission, "this needs a Fleet Premium licence"),
            400 if explanation.contains("premium license") => {
                failure(FailureKind::Permission, "this needs a Fleet Premium licence")
            }
            403 if explanation == "Permission Denied" => failure(FailureKind::Permission, "Fleet refuses this")
                .hint("live queries may be switched off in Fleet's settings"),
            403 if explanation.contains("API-only") => {
                failure(FailureKind::Permission, "the token may not use this endpoint")
                    .hint("allow the endpoints for hosts and for running reports to this API-only user")
            }
            403 => failure(FailureKind::Permission, "the user may not do this")
                .hint("live queries need the role observer+, maintainer or admin"),
            _ => common_refusal::<Self>(response),
        }
    }

    fn error_message(body: &[u8]) -> Option<String> {
        let body: ErrorBody = serde_json::from_slice(body).ok()?;
        let mut reasons = body.errors.into_iter().map(|error| error.reason);
        Some(match reasons.find(|reason| !reason.is_empty()) {
            Some(reason) if reason != body.message => format!("{}: {reason}", body.message),
            _ => body.message,
        })
    }
}
