//! What is osctrl's own about its API.

use serde_json::json;

use super::wire::{ErrorBody, LoggedIn};
use crate::contract::{Failure, Kind};
use crate::contract::{Response, Services};
use crate::server::session::{self, Api, decode, foreign, refused, usual_refusal, words};

/// osctrl's API, from v0.5.2 on.
pub(crate) struct OsctrlApi;

pub(super) type Session<'a, S> = session::Session<'a, S, OsctrlApi>;

/// How long the token of a login lives, in hours: the longest a step can take, rounded up.
const TOKEN_HOURS: u32 = 1;

/// What old servers answer to a path they do not know, with status 200.
const CHECK_MARK: &str = "✅";

/// What servers answer to a client that they take for a browser without rights.
const CROSS: &str = "❌";

impl Api for OsctrlApi {
    const SERVER: &'static str = "osctrl";
    const ROOT: &'static str = "/api/v1";
    type HostId = super::live_query::NodeUuid;

    async fn log_in<S: Services>(session: &Session<'_, S>, username: &str, password: &str) -> Result<String, Failure> {
        let body = json!({"username": username, "password": password, "exp_hours": TOKEN_HOURS});
        let response = session.send_login("/login", &body, &["/token", "/csrf_token"]).await?;
        match response.status {
            403 => {
                return Err(refused::<Self>(&response, Kind::Auth, "osctrl refused the login").hint(
                    "check username and password; a user who signs in elsewhere has no password and needs api_token",
                ));
            }
            404 | 405 => {
                return Err(refused::<Self>(
                    &response,
                    Kind::Auth,
                    "this server has no login by name and password alone",
                )
                .hint("osctrl has it since v0.5.3; for older servers use api_token, and check base_url"));
            }
            _ => {}
        }
        let logged_in: LoggedIn = decode::<Self, _>(&response)?;
        if logged_in.mfa_required || logged_in.mfa_enrollment_required {
            return Err(Failure::new(Kind::Auth, "osctrl wants a second factor for this user")
                .hint("use a service user, which needs none, or api_token"));
        }
        logged_in
            .token
            .filter(|token| !token.is_empty())
            .ok_or_else(|| Failure::new(Kind::Auth, "osctrl accepted the login and gave no token"))
    }

    fn refusal(response: &Response) -> Failure {
        let said = words::<Self>(response);
        let failure = |kind, what: &str| refused::<Self>(response, kind, what);
        match response.status {
            401 => failure(Kind::Auth, "osctrl did not accept the token").hint(
                "it may be wrong or expired; and each login of a user ends the user's earlier token, \
                 so give playbooks a user of their own",
            ),
            403 if said == CROSS => failure(Kind::Auth, "osctrl did not accept the token")
                .hint("it answers like this before v0.5.2, which is too old; otherwise the token is wrong or expired"),
            403 => failure(Kind::Permission, "the user may not do this")
                .hint("live queries need the levels `user` and `query` in the environment"),
            405 => failure(Kind::Protocol, "the server does not allow this call")
                .hint("check base_url: it is the address of osctrl-api, not of osctrl-tls or of a page"),
            500 if said == "error getting environment" => {
                failure(Kind::NotFound, "osctrl has no such environment").hint("environment takes the name or the uuid")
            }
            _ => usual_refusal::<Self>(response),
        }
    }

    fn not_json(response: &Response) -> Failure {
        if words::<Self>(response) != CHECK_MARK {
            return foreign::<Self>(response);
        }
        let what = format!(
            "the server answered with a check mark and no data (status {})",
            response.status
        );
        Failure::new(Kind::Protocol, what).hint(
            "osctrl does so for paths that it does not have: it may be older than v0.5.2, or base_url may name osctrl-tls",
        )
    }

    fn said(body: &[u8]) -> Option<String> {
        serde_json::from_slice::<ErrorBody>(body).ok().map(|body| body.error)
    }
}
