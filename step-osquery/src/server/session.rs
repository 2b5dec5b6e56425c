//! Authenticated calls to a server's JSON API, whatever server it is.

use std::cell::Cell;
use std::time::Duration;

use futures::lock::Mutex;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::contract::{Deadline, Level, Method, Request, Response, Services};
use crate::contract::{Failure, Kind};
use crate::exports::{BaseUrl, Credentials};

/// The longest a single call may take.
const LONGEST_CALL: Duration = Duration::from_secs(100);

/// What distinguishes one server's API from another's.
#[allow(async_fn_in_trait, reason = "a guest has one thread")]
pub(crate) trait Api: Sized {
    /// The product, for messages.
    const SERVER: &'static str;
    /// The path before every route.
    const ROOT: &'static str;
    /// How the server identifies a host.
    type HostId: Clone + Eq + std::hash::Hash + std::fmt::Display;

    /// Logs in and returns the token's handle.
    async fn log_in<S: Services>(
        session: &Session<'_, S, Self>,
        username: &str,
        password: &str,
    ) -> Result<String, Failure>;

    /// What an answer means whose status is no success.
    fn refusal(response: &Response) -> Failure;

    /// What a success means that is not JSON.
    fn not_json(response: &Response) -> Failure {
        foreign::<Self>(response)
    }

    /// The server's own words in a body, if it has its usual shape.
    fn said(body: &[u8]) -> Option<String>;
}

/// Calls with one set of credentials. A login happens once, and its token is used for the whole step.
pub(crate) struct Session<'a, S, A> {
    services: &'a S,
    base: &'a BaseUrl,
    credentials: &'a Credentials,
    token: Mutex<Option<String>>,
    deadline: Cell<Deadline>,
    api: std::marker::PhantomData<A>,
}

impl<'a, S: Services, A: Api> Session<'a, S, A> {
    pub(crate) fn new(services: &'a S, base: &'a BaseUrl, credentials: &'a Credentials, deadline: Deadline) -> Self {
        Self {
            services,
            base,
            credentials,
            token: Mutex::new(None),
            deadline: Cell::new(deadline),
            api: std::marker::PhantomData,
        }
    }

    /// The path of a route.
    pub(crate) fn path(&self, route: &str) -> String {
        self.base.path(&format!("{}{route}", A::ROOT))
    }

    /// Grants what is called from now on so much time, whatever is left of the step's.
    pub(crate) fn grant(&self, time: Duration) {
        self.deadline.set(Deadline::after(self.services, time));
    }

    pub(crate) fn log(&self, level: Level, message: &str) {
        self.services.log(level, message);
    }

    /// Reads a JSON document.
    pub(crate) async fn get<T: DeserializeOwned>(&self, route: &str) -> Result<T, Failure> {
        decode::<A, T>(&self.call(Method::Get, route, None, true).await?)
    }

    /// Reads a JSON document, and what the server's clock said then.
    pub(crate) async fn get_dated<T: DeserializeOwned>(&self, route: &str) -> Result<(T, Timestamp), Failure> {
        let response = self.call(Method::Get, route, None, true).await?;
        Ok((decode::<A, T>(&response)?, self.date(&response)))
    }

    /// What the server's clock said when it answered; ours, if the server did not say.
    pub(crate) fn date(&self, response: &Response) -> Timestamp {
        let date = response
            .header("date")
            .and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        date.map_or_else(|| self.services.now(), |date| date.timestamp())
    }

    /// Sends a JSON document. It is sent once, unless the connection was refused or the token had expired.
    pub(crate) async fn post<T: DeserializeOwned>(&self, route: &str, body: Option<&Value>) -> Result<T, Failure> {
        let body = body.map(Value::to_string);
        decode::<A, T>(&self.call(Method::Post, route, body, false).await?)
    }

    /// Makes a call, logging in first where that is needed. With a password, a token that has expired is replaced once.
    pub(crate) async fn call(
        &self,
        method: Method,
        route: &str,
        body: Option<String>,
        repeatable: bool,
    ) -> Result<Response, Failure> {
        let mut may_log_in_again = matches!(self.credentials, Credentials::Password { .. });
        loop {
            let token = self.token().await?;
            let request = Request {
                method,
                path: self.path(route),
                authorization: Some(format!("Bearer {token}")),
                body: body.clone(),
                timeout: self.time_left()?,
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
    pub(crate) async fn token(&self) -> Result<String, Failure> {
        let (username, password) = match self.credentials {
            Credentials::Token(token) => return Ok(token.clone()),
            Credentials::Password { username, password } => (username, password),
        };
        let mut token = self.token.lock().await;
        if let Some(token) = token.as_ref() {
            return Ok(token.clone());
        }
        let fresh = A::log_in(self, username, password).await?;
        Ok(token.insert(fresh).clone())
    }

    /// Sends credentials. `capture` points at what comes back and is a secret, too.
    pub(crate) async fn send_login(&self, route: &str, body: &Value, capture: &[&str]) -> Result<Response, Failure> {
        let request = Request {
            method: Method::Post,
            path: self.path(route),
            authorization: None,
            body: Some(body.to_string()),
            timeout: self.time_left()?,
            repeatable: false,
            capture: capture.iter().map(|pointer| (*pointer).to_owned()).collect(),
        };
        Ok(self.services.send(request).await?)
    }

    /// How long a call may take now.
    fn time_left(&self) -> Result<Duration, Failure> {
        let left = self.deadline.get().left(self.services);
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
pub(crate) fn decode<A: Api, T: DeserializeOwned>(response: &Response) -> Result<T, Failure> {
    if !(200..300).contains(&response.status) {
        return Err(A::refusal(response));
    }
    if !is_json(response) {
        return Err(A::not_json(response));
    }
    serde_json::from_slice(&response.body).map_err(|error| {
        Failure::new(
            Kind::Protocol,
            format!(
                "{}'s answer is not what its protocol says (line {}, column {})",
                A::SERVER,
                error.line(),
                error.column()
            ),
        )
    })
}

/// What statuses mean that any server, or what stands before it, can answer with.
pub(crate) fn usual_refusal<A: Api>(response: &Response) -> Failure {
    let failure = |kind, what: &str| refused::<A>(response, kind, what);
    match response.status {
        300..=399 => {
            let to = response.header("location").unwrap_or("another address");
            Failure::new(
                Kind::Protocol,
                format!("the server redirects to {to}, which is not followed"),
            )
            .hint("write the address that the server redirects to into base_url")
        }
        404 if is_html(response) => foreign::<A>(response),
        404 => failure(Kind::NotFound, &format!("{} does not have this", A::SERVER)).hint(format!(
            "check base_url: it is the address of the {} server, with its path prefix if it has one",
            A::SERVER
        )),
        408 | 500.. => failure(Kind::Unavailable, "the server is failing"),
        429 => failure(Kind::RateLimited, "the server asks to slow down"),
        _ => failure(Kind::Protocol, &format!("{} refused the request", A::SERVER)),
    }
}

/// A failure with the status and the server's words.
pub(crate) fn refused<A: Api>(response: &Response, kind: Kind, what: &str) -> Failure {
    Failure::new(
        kind,
        format!("{what} (status {}): {}", response.status, words::<A>(response)),
    )
}

/// A success that this API does not give.
pub(crate) fn foreign<A: Api>(response: &Response) -> Failure {
    let what = if is_html(response) {
        "a web page"
    } else {
        "something that is not JSON"
    };
    Failure::new(
        Kind::Protocol,
        format!("the server answered with {what} (status {})", response.status),
    )
    .hint(format!(
        "check base_url: this is not the API of {}, or a proxy or login page stands before it",
        A::SERVER
    ))
}

/// The server's own words, shortened: they are untrusted and may be a whole page.
pub(crate) fn words<A: Api>(response: &Response) -> String {
    let said = match A::said(&response.body) {
        Some(said) => said,
        None if is_html(response) => "a web page".to_owned(),
        None => String::from_utf8_lossy(&response.body).trim().to_owned(),
    };
    let said: String = said.chars().take(300).collect();
    if said.is_empty() {
        "no explanation".to_owned()
    } else {
        said
    }
}

pub(crate) fn is_html(response: &Response) -> bool {
    let declared = response
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("text/html"));
    declared || response.body.trim_ascii_start().starts_with(b"<")
}

pub(crate) fn is_json(response: &Response) -> bool {
    matches!(response.body.trim_ascii_start().first(), Some(b'{' | b'['))
}
