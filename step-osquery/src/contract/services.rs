//! What the plugin can do besides computing.
//!
//! The types mirror the contract's imports. The component implements them on the host's functions; tests and benchmarks
//! implement them natively, so that the same code runs in both.

use std::time::Duration;

use jiff::Timestamp;

use crate::contract::Severity;
use crate::contract::{Failure, Kind};

/// A request method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes or starts something.
    Post,
}

/// A request to the granted origin.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, percent-encoded.
    pub path: String,
    /// The `authorization` header, which may hold a secret handle.
    pub authorization: Option<String>,
    /// A JSON document to send.
    pub body: Option<String>,
    /// How long the exchange may take, repetitions included.
    pub timeout: Duration,
    /// Whether sending it twice does no more than sending it once.
    pub repeatable: bool,
    /// JSON pointers to strings of the answer that are to be kept by the host as secrets.
    pub capture: Vec<String>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What went wrong before there was an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportKind {
    /// The contract forbids the request.
    Refused,
    /// The host's policy refuses it: nothing was sent.
    Denied,
    /// The server's name has no address: nothing was sent.
    Resolve,
    /// No connection: nothing was sent.
    Connect,
    /// No agreement on TLS: nothing was sent.
    Tls,
    /// No answer in time.
    Timeout,
    /// The connection broke.
    Interrupted,
    /// The answer is too large.
    TooLarge,
}

/// A request or websocket that failed.
#[derive(Debug, Clone)]
pub struct TransportError {
    /// What kind of failure.
    pub kind: TransportKind,
    /// What happened.
    pub message: String,
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        let failure = |kind| Self::new(kind, error.message);
        match error.kind {
            TransportKind::Refused => failure(Kind::InvalidParams),
            TransportKind::Denied => failure(Kind::NotAllowed),
            TransportKind::Resolve => {
                failure(Kind::Unavailable).hint("check the host name in base_url, and the DNS of this machine")
            }
            TransportKind::Connect => {
                failure(Kind::Unavailable).hint("check that base_url is right and that the server is running")
            }
            TransportKind::Tls => failure(Kind::Unavailable).hint(
                "if the server's certificate comes from a private authority, name its PEM file in ca_file; if the server \
                 asks for a certificate, name yours in client_certificate; verify_tls: false switches the check off",
            ),
            TransportKind::Timeout => failure(Kind::Timeout),
            TransportKind::Interrupted => failure(Kind::Unavailable),
            TransportKind::TooLarge => failure(Kind::Protocol),
        }
    }
}

/// Why a websocket could not be opened.
#[derive(Debug, Clone)]
pub enum ConnectError {
    /// An ordinary answer with this status came instead.
    Rejected(u16),
    /// There was no usable answer.
    Failed(TransportError),
}

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For whoever debugs.
    Debug,
    /// Something the operator should know although the step goes on.
    Warn,
}

/// The host's services. Dropping a future of one ends what it does.
#[allow(async_fn_in_trait, reason = "a guest has one thread")]
pub trait Services {
    /// An open websocket. Dropping it closes the connection.
    type Socket: Socket;

    /// Sends a request.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
    /// Opens a websocket.
    async fn connect(&self, path: &str, timeout: Duration) -> Result<Self::Socket, ConnectError>;
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// Time since an arbitrary moment.
    fn monotonic(&self) -> Duration;
    /// Waits.
    async fn sleep(&self, duration: Duration);
    /// Writes a message for the operator.
    fn log(&self, level: Level, message: &str);
    /// Tells how far the step has come.
    fn progress(&self, done: usize, total: usize, message: &str);
    /// Whether anybody wants pieces of the result before it is complete.
    fn parts_wanted(&self) -> bool;
    /// Tells a piece of the result: what a host answered, as JSON, or why there is nothing.
    fn part(&self, subject: &str, outcome: Result<String, String>);
    /// Returns when the step should end early.
    async fn cancellation(&self);
}

/// An open websocket of text frames.
#[allow(async_fn_in_trait, reason = "a guest has one thread")]
pub trait Socket {
    /// Sends a JSON document.
    async fn send(&self, json: String) -> Result<(), TransportError>;
    /// The next frame; none when the peer closed.
    async fn receive(&self) -> Result<Option<String>, TransportError>;
    /// Closes with a handshake.
    async fn close(&self);
}

/// What a poll can do besides.
#[allow(async_fn_in_trait, reason = "a guest has one thread")]
pub trait Feeds: Services {
    /// Hands over a batch, and returns when it was taken.
    async fn deliver(&self, batch: Batch) -> Result<(), Closed>;
    /// What is remembered under these keys.
    async fn recall(&self, keys: Vec<String>) -> Vec<Option<String>>;
    /// What is remembered under keys that begin with `prefix`, in order, after the key `after`; empty at the end.
    async fn entries(&self, prefix: &str, after: Option<String>, limit: u32) -> Vec<(String, String)>;
}

/// Events, and what to remember once they have arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// The events, spelt, and how much each matters.
    pub events: Vec<(String, Severity)>,
    /// The changes.
    pub changes: Vec<Change>,
}

/// A change of what is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// The new text; none to forget the key.
    pub value: Option<String>,
}

/// Nobody takes batches any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// How long a poll may take: the host drops it then.
pub const LONGEST_POLL: Duration = Duration::from_hours(1);

/// The moment at which a step must have ended.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Duration);

impl Deadline {
    /// So long from now.
    pub fn after(services: &impl Services, timeout: Duration) -> Self {
        Self(services.monotonic() + timeout)
    }

    /// How long until then; zero afterwards.
    pub fn left(self, services: &impl Services) -> Duration {
        self.0.saturating_sub(services.monotonic())
    }
}
