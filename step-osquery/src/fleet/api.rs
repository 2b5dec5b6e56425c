//! What is Fleet's own about its API.

use serde_json::json;

use super::wire::{ErrorBody, LoggedIn};
use crate::contract::{Failure, Kind};
use crate::contract::{Method, Response, Services};
use crate::server::session::{self, Api, decode, foreign, is_html, is_json, refused, usual_refusal, words};

/// Fleet's API; both versions of its prefix lead to the same routes.
pub(crate) struct FleetApi;

pub(super) type Session<'a, S> = session::Session<'a, S, FleetApi>;

/// What the server calls saved queries: Fleet 4.82 renamed them to reports. A token that is limited to certain endpoints
/// may be allowed the new names only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Routes {
    Queries,
    Reports,
}

impl Routes {
    /// Finds out which routes the server has: an unknown one is a plain 404, anything else means that it exists.
    pub(super) async fn of<S: Services>(session: &Session<'_, S>) -> Result<Self, Failure> {
        let probe = session.call(Method::Get, "/reports?per_page=1", None, true).await?;
        match probe.status {
            404 if !is_html(&probe) => Ok(Self::Queries),
            300..=399 | 401 | 404 | 429 | 500.. => Err(FleetApi::refusal(&probe)),
            200 if !is_json(&probe) => Err(foreign::<FleetApi>(&probe)),
            _ => Ok(Self::Reports),
        }
    }

    /// The route that lists saved queries. A query's own routes are below it.
    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Queries => "/queries",
            Self::Reports => "/reports",
        }
    }

    /// The route that creates a campaign.
    pub(super) fn run(self) -> &'static str {
        match self {
            Self::Queries => "/queries/run",
            Self::Reports => "/reports/run",
        }
    }
}

impl Api for FleetApi {
    const SERVER: &'static str = "Fleet";
    const ROOT: &'static str = "/api/v1/fleet";
    type HostId = u64;

    async fn log_in<S: Services>(session: &Session<'_, S>, username: &str, password: &str) -> Result<String, Failure> {
        let body = json!({"email": username, "password": password});
        let response = session.send_login("/login", &body, &["/token"]).await?;
        let said = || words::<Self>(&response);
        match response.status {
            401 => {
                return Err(Failure::new(Kind::Auth, format!("Fleet refused the login: {}", said()))
                    .hint("check username (an e-mail address) and password; a user of single sign-on has no password and needs api_token"));
            }
            202 | 400 => {
                return Err(Failure::new(
                    Kind::Auth,
                    format!("Fleet wants a second factor for this user: {}", said()),
                )
                .hint("use an API-only user, or the api_token of this one"));
            }
            _ => {}
        }
        let logged_in: LoggedIn = decode::<Self, _>(&response)?;
        logged_in
            .token
            .filter(|token| !token.is_empty())
            .ok_or_else(|| Failure::new(Kind::Auth, "Fleet accepted the login and gave no token"))
    }

    fn refusal(response: &Response) -> Failure {
        let said = words::<Self>(response);
        let failure = |kind, what: &str| refused::<Self>(response, kind, what);
        match response.status {
            401 if said.contains("password reset") => {
                failure(Kind::Auth, "Fleet wants a new password for this user first")
                    .hint("log in to Fleet and set one")
            }
            401 => failure(Kind::Auth, "Fleet did not accept the token")
                .hint("the token may be wrong or expired; an API-only user's token does not expire"),
            402 => failure(Kind::Permission, "this needs a Fleet Premium licence"),
            400 if said.contains("premium license") => failure(Kind::Permission, "this needs a Fleet Premium licence"),
            403 if said == "Permission Denied" => failure(Kind::Permission, "Fleet refuses this")
                .hint("live queries may be switched off in Fleet's settings"),
            403 if said.contains("API-only") => failure(Kind::Permission, "the token may not use this endpoint")
                .hint("allow the endpoints for hosts and for running reports to this API-only user"),
            403 => failure(Kind::Permission, "the user may not do this")
                .hint("live queries need the role observer+, maintainer or admin"),
            _ => usual_refusal::<Self>(response),
        }
    }

    fn said(body: &[u8]) -> Option<String> {
        let body: ErrorBody = serde_json::from_slice(body).ok()?;
        let mut reasons = body.errors.into_iter().map(|error| error.reason);
        Some(match reasons.find(|reason| !reason.is_empty()) {
            Some(reason) if reason != body.message => format!("{}: {reason}", body.message),
            _ => body.message,
        })
    }
}
