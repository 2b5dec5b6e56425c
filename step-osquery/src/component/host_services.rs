//! The services of a step, on the contract's imports.

use std::time::Duration;

use jiff::Timestamp;

use super::bindings::playbook::plugin::{
    cancellation, clock, http, limits, log, progress, results, session, websocket,
};
use super::convert::{millis, timestamp};
use crate::contract::{ConnectError, Level, Method, Request, Response, Services, Socket, TransportError};

/// The services of the host that runs this component.
pub(super) struct HostServices;

impl Services for HostServices {
    type Socket = websocket::Connection;

    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        Ok(http::send(asked(request)).await?.into())
    }

    async fn open_session(
        &self,
        user: &str,
        login: Request,
        refused: Option<&str>,
    ) -> Result<Response, TransportError> {
        let opened = session::open(user.to_owned(), asked(login), refused.map(str::to_owned));
        Ok(opened.await?.into())
    }

    async fn connect(&self, path: &str, timeout: Duration) -> Result<Self::Socket, ConnectError> {
        websocket::connect(path.to_owned(), Vec::new(), millis(timeout))
            .await
            .map_err(|failure| match failure {
                websocket::ConnectFailure::Rejected(status) => ConnectError::Rejected(status),
                websocket::ConnectFailure::Failed(failure) => ConnectError::Failed(failure.into()),
            })
    }

    fn now(&self) -> Timestamp {
        timestamp(clock::now())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(clock::monotonic())
    }

    fn deadline(&self) -> Duration {
        Duration::from_millis(limits::deadline())
    }

    async fn sleep(&self, duration: Duration) {
        clock::sleep(millis(duration)).await;
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => log::Level::Debug,
            Level::Warn => log::Level::Warn,
        };
        log::write(level, message);
    }

    fn progress(&self, done: usize, total: usize, message: &str) {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        progress::report(&progress::Update {
            done: count(done),
            total: Some(count(total)),
            message: message.into(),
        });
    }

    fn publish(&self, target: &str, entry: Result<String, String>) {
        let entry = match entry {
            Ok(json) => results::Entry::Found(json),
            Err(reason) => results::Entry::Failed(reason),
        };
        // Whatever is refused, the host accounts for the target.
        let _ = results::publish(target, &entry);
    }

    async fn cancellation(&self) {
        cancellation::requested().await;
    }
}

/// Returns a request as the contract has it.
fn asked(request: Request) -> http::Request {
    let mut headers = vec![http::Field {
        name: "accept".into(),
        value: "application/json".into(),
    }];
    if let Some(value) = request.authorization {
        headers.push(http::Field {
            name: "authorization".into(),
            value,
        });
    }
    http::Request {
        method: match request.method {
            Method::Get => http::Method::Get,
            Method::Post => http::Method::Post,
        },
        path: request.path,
        headers,
        body: request.body.map(http::Body::Json),
        timeout_ms: millis(request.timeout),
        repeatable: request.repeatable,
        capture: request.capture,
    }
}

impl From<http::Response> for Response {
    fn from(response: http::Response) -> Self {
        let headers = response.headers.into_iter();
        Self {
            status: response.status,
            headers: headers.map(|field| (field.name, field.value)).collect(),
            body: response.body,
        }
    }
}

impl Socket for websocket::Connection {
    async fn send(&self, json: String) -> Result<(), TransportError> {
        Ok(Self::send(self, json).await?)
    }

    async fn receive(&self, timeout: Duration) -> Result<Vec<String>, TransportError> {
        Ok(Self::receive(self, millis(timeout)).await?)
    }

    async fn close(&self) {
        Self::close(self).await;
    }
}
