//! The API of a server: what distinguishes one product's from another's, and how its answers are read.

use std::fmt::Display;
use std::hash::Hash;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::contract::{Failure, FailureKind, Response};

/// The API of a product.
pub(crate) trait Api: Sized {
    /// The product, for messages.
    const SERVER: &'static str;
    /// The path before every route.
    const ROOT: &'static str;
    /// The route that logs a user in.
    const LOGIN: &'static str;
    /// JSON pointers to the strings of a login's answer that are secrets.
    const LOGIN_SECRETS: &'static [&'static str];
    /// The server's identifier of a host.
    type HostId: Clone + Eq + Hash + Display;

    /// Returns the body of a login.
    fn login(username: &str, password: &str) -> Value;

    /// Reads the handle of the token from a login's answer.
    fn token(response: &Response) -> Result<String, Failure>;

    /// Explains an answer whose status is not a success.
    fn refusal(response: &Response) -> Failure;

    /// Explains a success that is not JSON.
    fn not_json(response: &Response) -> Failure {
        foreign::<Self>(response)
    }

    /// Returns the server's message in the body of an error, if it has the usual shape.
    fn error_message(body: &[u8]) -> Option<String>;
}

/// An answer of which only the status matters.
#[derive(Debug, Deserialize)]
pub(crate) struct StatusOnly {}

/// Parses an answer's body if the answer is a success.
pub(crate) fn decode<A: Api, T: DeserializeOwned>(response: &Response) -> Result<T, Failure> {
    if !(200..300).contains(&response.status) {
        return Err(A::refusal(response));
    }
    if !is_json(response) {
        return Err(A::not_json(response));
    }
    serde_json::from_slice(&response.body).map_err(|error| {
        Failure::new(
            FailureKind::Protocol,
            format!(
                "{}'s answer is not what its protocol says (line {}, column {})",
                A::SERVER,
                error.line(),
                error.column()
            ),
        )
    })
}

/// Explains the statuses that any server, or a proxy in front of it, can answer with.
pub(crate) fn common_refusal<A: Api>(response: &Response) -> Failure {
    let failure = |kind, what: &str| refused::<A>(response, kind, what);
    match response.status {
        300..=399 => {
            let to = response.header("location").unwrap_or("another address");
            Failure::new(
                FailureKind::Protocol,
                format!("the server redirects to {to}, which is not followed"),
            )
            .hint("write the address that the server redirects to into base_url")
        }
        404 if is_html(response) => foreign::<A>(response),
        404 => failure(FailureKind::NotFound, &format!("{} does not have this", A::SERVER)).hint(format!(
            "check base_url: it is the address of the {} server, with its path prefix if it has one",
            A::SERVER
        )),
        408 | 500.. => failure(FailureKind::Unavailable, "the server is failing"),
        429 => failure(FailureKind::RateLimited, "the server asks to slow down"),
        _ => failure(FailureKind::Protocol, &format!("{} refused the request", A::SERVER)),
    }
}

/// Returns a failure with the status and the server's message.
pub(crate) fn refused<A: Api>(response: &Response, kind: FailureKind, what: &str) -> Failure {
    Failure::new(
        kind,
        format!("{what} (status {}): {}", response.status, message::<A>(response)),
    )
}

/// Explains a success that does not come from this API.
pub(crate) fn foreign<A: Api>(response: &Response) -> Failure {
    let what = if is_html(response) {
        "a web page"
    } else {
        "something that is not JSON"
    };
    Failure::new(
        FailureKind::Protocol,
        format!("the server answered with {what} (status {})", response.status),
    )
    .hint(format!(
        "check base_url: this is not the API of {}, or a proxy or login page stands before it",
        A::SERVER
    ))
}

/// Returns the server's message, shortened: it is untrusted and may be a whole page.
pub(crate) fn message<A: Api>(response: &Response) -> String {
    let message = match A::error_message(&response.body) {
        Some(message) => message,
        None if is_html(response) => "a web page".to_owned(),
        None => String::from_utf8_lossy(&response.body).trim().to_owned(),
    };
    let message: String = message.chars().take(300).collect();
    if message.is_empty() {
        "no explanation".to_owned()
    } else {
        message
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
