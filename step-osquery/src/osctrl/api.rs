//! osctrl's API, as far as it differs from others.

use serde_json::{Value, json};

use super::node_uuid::NodeUuid;
use super::wire::{ErrorBody, LoggedIn};
use crate::contract::{Failure, FailureKind, Response};
use crate::server::{Api, common_refusal, decode, foreign, message, refused};

/// osctrl's API, from v0.5.2 on.
pub(crate) struct OsctrlApi;

/// The lifetime of a login's token, in hours: the longest time that a step can take, rounded up.
const TOKEN_HOURS: u32 = 1;

/// The answer of old servers to an unknown path, with status 200.
const CHECK_MARK: &str = "✅";

/// The answer of servers to a client that they take for a browser without rights.
const CROSS: &str = "❌";

impl Api for OsctrlApi {
    const SERVER: &'static str = "osctrl";
    const ROOT: &'static str = "/api/v1";
    const LOGIN: &'static str = "/login";
    const LOGIN_SECRETS: &'static [&'static str] = &["/token", "/csrf_token"];
    type HostId = NodeUuid;

    fn login(username: &str, password: &str) -> Value {
        json!({"username": username, "password": password, "exp_hours": TOKEN_HOURS})
    }

    fn token(response: &Response) -> Result<String, Failure> {
        match response.status {
            403 => {
                return Err(refused::<Self>(response, FailureKind::Auth, "osctrl refused the login").hint(
                    "check username and password; a user who signs in elsewhere has no password and needs api_token",
                ));
            }
            404 | 405 => {
                return Err(refused::<Self>(
                    response,
                    FailureKind::Auth,
                    "this server has no login by name and password alone",
                )
                .hint("osctrl has it since v0.5.3; for older servers use api_token, and check base_url"));
            }
            _ => {}
        }
        let logged_in: LoggedIn = decode::<Self, _>(response)?;
        if logged_in.mfa_required || logged_in.mfa_enrollment_required {
            return Err(
                Failure::new(FailureKind::Auth, "osctrl wants a second factor for this user")
                    .hint("use a service user, which needs none, or api_token"),
            );
        }
        logged_in
            .token
            .filter(|token| !token.is_empty())
            .ok_or_else(|| Failure::new(FailureKind::Auth, "osctrl accepted the login and gave no token"))
    }

    fn refusal(response: &Response) -> Failure {
        let explanation = message::<Self>(response);
        let failure = |kind, what: &str| refused::<Self>(response, kind, what);
        match response.status {
            401 => failure(FailureKind::Auth, "osctrl did not accept the token").hint(
                "it may be wrong or expired; and each login of a user ends the user's earlier token, \
                 so give playbooks a user of their own",
            ),
            403 if explanation == CROSS => failure(FailureKind::Auth, "osctrl did not accept the token")
                .hint("it answers like this before v0.5.2, which is too old; otherwise the token is wrong or expired"),
            403 => failure(FailureKind::Permission, "the user may not do this")
                .hint("live queries need the levels `user` and `query` in the environment"),
            405 => failure(FailureKind::Protocol, "the server does not allow this call")
                .hint("check base_url: it is the address of osctrl-api, not of osctrl-tls or of a page"),
            500 if explanation == "error getting environment" => {
                failure(FailureKind::NotFound, "osctrl has no such environment")
                    .hint("environment takes the name or the uuid")
            }
            _ => common_refusal::<Self>(response),
        }
    }

    fn not_json(response: &Response) -> Failure {
        if message::<Self>(response) != CHECK_MARK {
            return foreign::<Self>(response);
        }
        let what = format!(
            "the server answered with a check mark and no data (status {})",
            response.status
        );
        Failure::new(FailureKind::Protocol, what).hint(
            "osctrl does so for paths that it does not have: it may be older than v0.5.2, or base_url may name osctrl-tls",
        )
    }

    fn error_message(body: &[u8]) -> Option<String> {
        serde_json::from_slice::<ErrorBody>(body).ok().map(|body| body.error)
    }
}
