//! Requests to the granted origin, and how they can fail.

use std::time::Duration;

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
    /// The time that the exchange may take, repetitions included.
    pub timeout: Duration,
    /// True if sending it twice does no more than sending it once.
    pub repeatable: bool,
    /// JSON pointers to strings of the answer that the host keeps as secrets.
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
    /// Returns the value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A way in which an exchange can fail before there is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportKind {
    /// The contract forbids the request.
    Refused,
    /// The host's policy refuses it: nothing was sent.
    Denied,
    /// The server's name has no address: nothing was sent.
    Resolve,
    /// The connection was not established: nothing was sent.
    Connect,
    /// TLS was not established: nothing was sent.
    Tls,
    /// No answer came in time.
    Timeout,
    /// The connection broke.
    Interrupted,
    /// The answer is too large.
    TooLarge,
}

/// A request or websocket that failed.
#[derive(Debug, Clone)]
pub struct TransportError {
    /// The kind of failure.
    pub kind: TransportKind,
    /// The problem, as a sentence fragment.
    pub message: String,
}

/// A failure to open a websocket.
#[derive(Debug, Clone)]
pub enum ConnectError {
    /// An ordinary answer with this status came instead.
    Rejected(u16),
    /// No usable answer came.
    Failed(TransportError),
}
