//! Authenticated calls to a server's JSON API.

use std::cell::Cell;
use std::time::Duration;

use futures::lock::Mutex;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::api::{Api, decode};
use super::base_url::BaseUrl;
use super::credentials::Credentials;
use crate::contract::{Deadline, Failure, FailureKind, Level, Method, Request, Response, Services};

/// The longest time that a single call may take.
const LONGEST_CALL: Duration = Duration::from_secs(100);

/// Calls with one set of credentials. A login happens once, and its token serves for the whole step.
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

    /// Returns the path of a route.
    pub(crate) fn path(&self, route: &str) -> String {
        self.base.path(&format!("{}{route}", A::ROOT))
    }

    /// Grants the calls from now on this much time, whatever is left of the step's.
    pub(crate) fn grant(&self, time: Duration) {
        self.deadline.set(Deadline::after(self.services.monotonic(), time));
    }

    pub(crate) fn log(&self, level: Level, message: &str) {
        self.services.log(level, message);
    }

    /// Reads a JSON document.
    pub(crate) async fn get<T: DeserializeOwned>(&self, route: &str) -> Result<T, Failure> {
        decode::<A, T>(&self.call(Method::Get, route, None, true).await?)
    }

    /// Reads a JSON document, and the server's clock.
    pub(crate) async fn get_dated<T: DeserializeOwned>(&self, route: &str) -> Result<(T, Timestamp), Failure> {
        let response = self.call(Method::Get, route, None, true).await?;
        Ok((decode::<A, T>(&response)?, self.date(&response)))
    }

    /// Returns the time of an answer by the server's clock, or by ours if the server did not date it.
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

    /// Makes a call, logging in first if needed. With a password, a token that has expired is replaced once.
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

    /// Returns the token: the given one, or one fetched by logging in.
    pub(crate) async fn token(&self) -> Result<String, Failure> {
        let (username, password) = match self.credentials {
            Credentials::Token(token) => return Ok(token.clone()),
            Credentials::Password { username, password } => (username, password),
        };
        let mut token = self.token.lock().await;
        if let Some(token) = token.as_ref() {
            return Ok(token.clone());
        }
        let fresh = A::token(&self.log_in(username, password).await?)?;
        Ok(token.insert(fresh).clone())
    }

    /// Sends the credentials. The host keeps the secrets of the answer.
    async fn log_in(&self, username: &str, password: &str) -> Result<Response, Failure> {
        let request = Request {
            method: Method::Post,
            path: self.path(A::LOGIN),
            authorization: None,
            body: Some(A::login(username, password).to_string()),
            timeout: self.time_left()?,
            repeatable: false,
            capture: A::LOGIN_SECRETS.iter().map(|pointer| (*pointer).to_owned()).collect(),
        };
        Ok(self.services.send(request).await?)
    }

    /// Returns the time that a call may take now.
    fn time_left(&self) -> Result<Duration, Failure> {
        let left = self.deadline.get().left(self.services.monotonic());
        if left.is_zero() {
            return Err(
                Failure::new(FailureKind::Timeout, "the time was up before the query could be sent")
                    .hint("raise timeout_seconds, or check why the server is slow"),
            );
        }
        Ok(left.min(LONGEST_CALL))
    }
}
