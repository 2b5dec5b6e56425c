//! Authenticated calls to Fleet's REST API.

use std::time::Duration;

use futures::lock::Mutex;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::wire::{ErrorBody, LoggedIn};
use crate::failure::{Failure, Kind};
use crate::params::{BaseUrl, Credentials};
use crate::services::{Deadline, Method, Request, Response, Services};

/// The longest a single call may take. Fleet itself gives up writing an answer after 100 s.
const LONGEST_CALL: Duration = Duration::from_secs(100);

/// Where the routes live; both versions of the prefix lead to the same.
const API: &str = "/api/v1/fleet";

/// Calls with one set of credentials. A login happens once, and its token is used for the whole step.
pub(super) struct Session<'a, S> {
    services: &'a S,
    base: &'a BaseUrl,
    credentials: &'a Credentials,
    token: Mutex<Option<String>>,
    deadline: Deadline,
}

/// What the server calls saved queries: Fleet 4.82 renamed them to reports. A token that is limited to certain endpoints
/// may be allowed the new names only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Routes {
    Queries,
    Reports,
}

impl Routes {
    /// The route that creates a campaign.
    pub(super) fn run(self) -> &'static str {
        match self {
            Self::Queries => "/queries/run",
            Self::Reports => "/reports/run",
        }
    }
}

impl<'a, S: Services> Session<'a, S> {
    pub(super) fn new(services: &'a S, base: &'a BaseUrl, credentials: &'a Credentials, deadline: Deadline) -> Self {
        Self {
            services,
            base,
            credentials,
            token: Mutex::new(None),
            deadline,
        }
    }

    /// The path of a route.
    pub(super) fn path(&self, route: &str) -> String {
        self.base.path(&format!("{API}{route}"))
    }

    /// Finds out which routes the server has: an unknown one is a plain 404, anything else means that it exists.
    pub(super) async fn routes(&self) -> Result<Routes, Failure> {
        let probe = self.call(Method::Get, "/reports?per_page=1", None, true).await?;
        match probe.status {
            404 if !is_html(&probe) => Ok(Routes::Queries),
            300..=399 | 401 | 404 | 429 | 500.. => Err(refusal(&probe)),
            200 if !is_json(&probe) => Err(not_fleet(&probe)),
            _ => Ok(Routes::Reports),
        }
    }

    /// Reads a JSON document.
    pub(super) async fn get<T: DeserializeOwned>(&self, route: &str) -> Result<T, Failure> {
        decode(&self.call(Method::Get, route, None, true).await?)
    }

    /// Sends a JSON document. It is sent once, unless the connection was refused or the token had expired.
    pub(super) async fn post<T: DeserializeOwned>(&self, route: &str, body: &Value) -> Result<T, Failure> {
        decode(&self.call(Method::Post, route, Some(body.to_string()), false).await?)
    }

    /// Makes a call, logging in first where that is needed. With a password, a token that has expired is replaced once.
    async fn call(
        &self,
        method: Method,
        route: &str,
        body: Option<String>,
        repeatable: bool,
    ) -> Result<Response, Failure> {
        let mut may_log_in_again = matches!(self.credentials, Credentials::Password { .. });
        loop {
            let token = self.token().await?;
            let timeout = self.time_left()?;
            let request = Request {
                method,
                path: self.path(route),
                authorization: Some(format!("Bearer {token}")),
                body: body.clone(),
                timeout,
                repeatable,
                capture: Vec::new(),
            };
            let response = self.services.send(request).await?;
            if response.status == 401 && may_log_in_again {
                may_log_in_again = false;
                let mut current = self.token.lock().await;
                if current.as_ref() == Some(&token) {
                    *current = None;
                }
                continue;
            }
            return Ok(response);
        }
    }

    /// The token: the given one, or one fetched by logging in.
    pub(super) fn log(&self, level: crate::services::Level, message: &str) {
        self.services.log(level, message);
    }

    pub(super) async fn token(&self) -> Result<String, Failure> {
        let (username, password) = match self.credentials {
            Credentials::Token(token) => return Ok(token.clone()),
            Credentials::Password { username, password } => (username, password),
        };
        let mut token = self.token.lock().await;
        if let Some(token) = token.as_ref() {
            return Ok(token.clone());
        }
        let request = Request {
            method: Method::Post,
            path: self.path("/login"),
            authorization: None,
            body: Some(json!({"email": username, "password": password}).to_string()),
            timeout: self.time_left()?,
            repeatable: false,
            capture: vec!["/token".into()],
        };
        let response = self.services.send(request).await?;
        match response.status {
            401 => {
                return Err(Failure::new(Kind::Auth, format!("Fleet refused the login: {}", words(&response)))
                    .hint("check username (an e-mail address) and password; a user of single sign-on has no password and needs api_token"));
            }
            202 | 400 => {
                return Err(Failure::new(
                    Kind::Auth,
                    format!("Fleet wants a second factor for this user: {}", words(&response)),
                )
                .hint("use an API-only user, or the api_token of this one"));
            }
            _ => {}
        }
        let logged_in: LoggedIn = decode(&response)?;
        let fresh = logged_in
            .token
            .filter(|token| !token.is_empty())
            .ok_or_else(|| Failure::new(Kind::Auth, "Fleet accepted the login and gave no token"))?;
        Ok(token.insert(fresh).clone())
    }

    /// How long a call may take now.
    pub(super) fn time_left(&self) -> Result<Duration, Failure> {
        let left = self.deadline.left(self.services);
        if left.is_zero() {
            return Err(
                Failure::new(Kind::Timeout, "the time was up before the query could be sent")
                    .hint("raise timeout_seconds, or check why the server is slow"),
            );
        }
        Ok(left.min(LONGEST_CALL))
    }
}

/// Reads an answer's body, if the answer is a success.
fn decode<T: DeserializeOwned>(response: &Response) -> Result<T, Failure> {
    if !(200..300).contains(&response.status) {
        return Err(refusal(response));
    }
    if !is_json(response) {
        return Err(not_fleet(response));
    }
    serde_json::from_slice(&response.body).map_err(|error| {
        Failure::new(
            Kind::Protocol,
            format!(
                "Fleet's answer is not what its protocol says (line {}, column {})",
                error.line(),
                error.column()
            ),
        )
    })
}

/// What a status that is no success means.
pub(super) fn refusal(response: &Response) -> Failure {
    let said = words(response);
    let failure = |kind, what: &str| Failure::new(kind, format!("{what} (status {}): {said}", response.status));
    match response.status {
        300..=399 => {
            let to = response.header("location").unwrap_or("another address");
            Failure::new(
                Kind::Protocol,
                format!("the server redirects to {to}, which is not followed"),
            )
            .hint("write the address that the server redirects to into base_url")
        }
        401 if said.contains("password reset") => {
            failure(Kind::Auth, "Fleet wants a new password for this user first").hint("log in to Fleet and set one")
        }
        401 => failure(Kind::Auth, "Fleet did not accept the token")
            .hint("the token may be wrong or expired; an API-only user's token does not expire"),
        402 => failure(Kind::Permission, "this needs a Fleet Premium licence"),
        403 if said == "Permission Denied" => {
            failure(Kind::Permission, "Fleet refuses this").hint("live queries may be switched off in Fleet's settings")
        }
        403 if said.contains("API-only") => failure(Kind::Permission, "the token may not use this endpoint")
            .hint("allow the endpoints for hosts and for running reports to this API-only user"),
        403 => failure(Kind::Permission, "the user may not do this")
            .hint("live queries need the role observer+, maintainer or admin"),
        404 if is_html(response) => not_fleet(response),
        404 => failure(Kind::NotFound, "Fleet does not have this")
            .hint("check base_url: it is the address of the Fleet server, with its path prefix if it has one"),
        408 | 500.. => failure(Kind::Unavailable, "the server is failing"),
        429 => failure(Kind::RateLimited, "the server asks to slow down"),
        _ => failure(Kind::Protocol, "Fleet refused the request"),
    }
}

fn not_fleet(response: &Response) -> Failure {
    let what = if is_html(response) {
        "a web page"
    } else {
        "something that is not JSON"
    };
    Failure::new(
        Kind::Protocol,
        format!("the server answered with {what} (status {})", response.status),
    )
    .hint("check base_url: this is not a Fleet server, or a proxy or login page stands before it")
}

/// The server's own words, shortened: they are untrusted and may be a whole page.
fn words(response: &Response) -> String {
    let said = match serde_json::from_slice::<ErrorBody>(&response.body) {
        Ok(body) => match body
            .errors
            .into_iter()
            .map(|error| error.reason)
            .find(|reason| !reason.is_empty())
        {
            Some(reason) if reason != body.message => format!("{}: {reason}", body.message),
            _ => body.message,
        },
        Err(_) if is_html(response) => "a web page".to_owned(),
        Err(_) => String::from_utf8_lossy(&response.body).trim().to_owned(),
    };
    let said: String = said.chars().take(300).collect();
    if said.is_empty() {
        "no explanation".to_owned()
    } else {
        said
    }
}

fn is_html(response: &Response) -> bool {
    let declared = response
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("text/html"));
    declared || response.body.trim_ascii_start().starts_with(b"<")
}

fn is_json(response: &Response) -> bool {
    matches!(response.body.trim_ascii_start().first(), Some(b'{' | b'['))
}
