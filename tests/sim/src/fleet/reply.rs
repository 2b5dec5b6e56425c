//! Bodies of answers.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::state::State;
use crate::host::Enrolled;

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

/// A host as lists and single reads show it.
pub(super) fn host(state: &State, enrolled: &Enrolled) -> Value {
    let seen = if enrolled.host.online {
        "2026-09-20T07:15:00Z"
    } else {
        "2026-09-18T16:40:00Z"
    };
    let mut host = json!({
        "created_at": "2025-01-10T10:00:00Z",
        "updated_at": seen,
        "id": enrolled.id,
        "detail_updated_at": seen,
        "seen_time": seen,
        "refetch_requested": false,
        "hostname": enrolled.facts.hostname,
        "uuid": enrolled.facts.uuid,
        "platform": enrolled.host.platform,
        "osquery_version": "5.23.1",
        "orbit_version": null,
        "os_version": "Debian GNU/Linux 12",
        "hardware_serial": enrolled.serial,
        "computer_name": enrolled.computer_name,
        "display_name": enrolled.computer_name,
        "display_text": enrolled.computer_name,
        "primary_ip": format!("10.20.{}.{}", enrolled.id / 250, enrolled.id % 250),
        "distributed_interval": 10,
        "config_tls_refresh": 60,
        "team_id": null,
        "team_name": null,
        "pack_stats": null,
        "status": if enrolled.host.online { "online" } else { "offline" },
    });
    if state.has_reports() {
        host["fleet_id"] = Value::Null;
        host["fleet_name"] = Value::Null;
    }
    host
}
