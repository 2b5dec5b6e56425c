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

/// The token of a session.
#[derive(Clone)]
pub(crate) struct Token {
    /// The token itself, or its handle.
    pub(crate) handle: String,
    /// The number of the session in this call. Two handles can be equal although the tokens are not, in a replay.
    pub(crate) number: u32,
}

/// Calls with one set of credentials. The host logs in; the token serves for the whole step.
pub(crate) struct Session<'a, S, A> {
    services: &'a S,
    base: &'a BaseUrl,
    credentials: &'a Credentials,
    token: Mutex<Option<Token>>,
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
        let mut refused = None;
        loop {
            let token = self.unlike(refused.as_ref()).await?;
            let request = Request {
                method,
                path: self.path(route),
                authorization: Some(format!("Bearer {}", token.handle)),
                body: body.clone(),
                timeout: self.time_left()?,
                repeatable,
                capture: Vec::new(),
            };
            let response = self.services.send(request).await?;
            let may_renew = refused.is_none() && matches!(self.credentials, Credentials::Password { .. });
            if response.status != 401 || !may_renew {
                return Ok(response);
            }
            refused = Some(token);
        }
    }

    /// Returns the token: the given one, or that of a session.
    pub(crate) async fn token(&self) -> Result<Token, Failure> {
        self.unlike(None).await
    }

    /// Returns a token other than the one that the server has refused.
    async fn unlike(&self, refused: Option<&Token>) -> Result<Token, Failure> {
        let (username, password) = match self.credentials {
            Credentials::Token(token) => {
                return Ok(Token {
                    handle: token.clone(),
                    number: 0,
                });
            }
            Credentials::Password { username, password } => (username, password),
        };
        // Held during the login, so that concurrent calls ask for one session.
        let mut current = self.token.lock().await;
        if let Some(token) = current.as_ref()
            && refused.is_none_or(|refused| refused.number < token.number)
        {
            return Ok(token.clone());
        }
        let refused = refused.map(|token| token.handle.as_str());
        let login = self.login(username, password)?;
        let handle = A::token(&self.services.open_session(username, login, refused).await?)?;
        let number = current.as_ref().map_or(0, |token| token.number) + 1;
        Ok(current.insert(Token { handle, number }).clone())
    }

    /// Returns the login of a user. The host keeps the secrets of its answer.
    fn login(&self, username: &str, password: &str) -> Result<Request, Failure> {
        Ok(Request {
            method: Method::Post,
            path: self.path(A::LOGIN),
            authorization: None,
            body: Some(A::login(username, password).to_string()),
            timeout: self.time_left()?,
            repeatable: false,
            capture: A::LOGIN_SECRETS.iter().map(|pointer| (*pointer).to_owned()).collect(),
        })
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
