//! The services that the host offers to a step.
//!
//! The types mirror the contract's imports. The component implements them on the host's functions; tests and benchmarks
//! implement them natively, so that the same code runs in both.

use std::time::Duration;

use jiff::Timestamp;

use super::http::{ConnectError, Request, Response, TransportError};

/// The importance of a log message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Only of use while debugging.
    Debug,
    /// A problem that the operator should know of although the step goes on.
    Warn,
}

/// The host's services. Dropping the future of a call ends the call.
#[allow(async_fn_in_trait, reason = "a guest has one thread")]
pub trait Services {
    /// An open websocket. Dropping it closes the connection.
    type Socket: Socket;

    /// Sends a request.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
    /// Returns the answer to a login, with handles in place of its tokens: that of an earlier login, unless the server has
    /// `refused` its token.
    async fn open_session(&self, user: &str, login: Request, refused: Option<&str>)
    -> Result<Response, TransportError>;
    /// Opens a websocket.
    async fn connect(&self, path: &str, timeout: Duration) -> Result<Self::Socket, ConnectError>;
    /// Reads the wall clock.
    fn now(&self) -> Timestamp;
    /// Returns the time since an arbitrary moment.
    fn monotonic(&self) -> Duration;
    /// Returns the moment at which the host ends the call, on the same clock.
    fn deadline(&self) -> Duration;
    /// Waits for this long.
    async fn sleep(&self, duration: Duration);
    /// Writes a message for the operator.
    fn log(&self, level: Level, message: &str);
    /// Reports how far the step has come.
    fn progress(&self, done: usize, total: usize, message: &str);
    /// Publishes what became of a target: its entry in the result, as JSON, or why it failed. The latest entry stands.
    fn publish(&self, target: &str, entry: Result<String, String>);
    /// Returns when the step should end early.
    async fn cancellation(&self);
}

/// An open websocket of text frames.
#[allow(async_fn_in_trait, reason = "a guest has one thread")]
pub trait Socket {
    /// Sends a JSON document.
    async fn send(&self, json: String) -> Result<(), TransportError>;
    /// Waits for frames, and returns those that have arrived; none when the peer has closed.
    async fn receive(&self, timeout: Duration) -> Result<Vec<String>, TransportError>;
    /// Closes with a handshake.
    async fn close(&self);
}
