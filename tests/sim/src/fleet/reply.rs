//! Bodies of answers.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::front::Unknown;

/// Fleet's error body: a message and a reason.
pub(super) fn error(status: u16, message: &str, reason: &str) -> Response {
    let body = json!({
        "message": message,
        "errors": [{"name": "base", "reason": reason}],
        "uuid": "5f0d3c1e-1111-4222-8333-444455556666",
    });
    (
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        Json(body),
    )
        .into_response()
}

/// The body that Fleet has for a status.
pub(super) fn of_status(status: u16) -> Response {
    match status {
        401 => error(401, "Authentication required", "Authentication required"),
        402 => error(402, "Requires Fleet Premium license", "Requires Fleet Premium license"),
        403 => error(403, "forbidden", "forbidden"),
        429 => error(
            429,
            "limit exceeded, retry after: 1s",
            "limit exceeded, retry after: 1s",
        ),
        500 => error(
            500,
            "reading from redis: connection refused",
            "reading from redis: connection refused",
        ),
        other => (
            StatusCode::from_u16(other).unwrap_or(StatusCode::BAD_GATEWAY),
            "upstream connect error",
        )
            .into_response(),
    }
}

/// The answer to parameters or bodies that make no sense.
pub(super) fn bad(reason: &str) -> Response {
    error(400, "Bad request", reason)
}

/// The answer to something of this kind that is not there.
pub(super) fn not_found(kind: &str, name: &str) -> Response {
    let reason = format!("{kind} {name} was not found in the datastore");
    error(404, "Resource Not Found", &reason)
}

/// The answer to a path that the server does not have.
pub(super) async fn unknown() -> Response {
    let mut answer = (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    answer.extensions_mut().insert(Unknown);
    answer
}
