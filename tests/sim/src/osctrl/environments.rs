//! The one environment, and what the server counts in it.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::lists;
use super::nodes::{inactive_hours, is_active};
use super::state::State;
use super::users::{Level, error, json, require};

/// The environment. Its administrators see the secret with which agents enrol.
fn shown(state: &State) -> Value {
    let mut shown = json!({
        "id": 1, "created_at": "2026-06-01T08:00:00Z", "updated_at": "2026-07-20T09:30:00Z",
        "uuid": state.osctrl.environment_uuid, "name": state.osctrl.environment, "hostname": "tls.lab.example",
        "type": "osquery", "icon": "fas fa-wrench", "debug_http": false, "config_tls": true, "config_interval": 300,
        "logging_tls": true, "log_interval": 600, "query_tls": true, "query_interval": 60, "carves_tls": true,
        "accept_enrolls": true, "enroll_expire": "2026-07-25T08:00:00Z", "remove_expire": "2026-07-25T08:00:00Z",
    });
    if require(state, Level::Admin).is_ok() {
        shown["secret"] = json!("the-enroll-secret-of-the-simulated-environment");
    }
    shown
}

/// `GET /environments`: those in which the user may see nodes.
pub(super) async fn all(Shared(state): Shared<Arc<State>>) -> Response {
    let visible = require(&state, Level::User).is_ok();
    let shown: Vec<Value> = visible.then(|| shown(&state)).into_iter().collect();
    json(200, &json!(shown))
}

/// `GET /environments/{env}`.
pub(super) async fn one(Shared(state): Shared<Arc<State>>, Path(name): Path<String>) -> Response {
    if !state.is_environment(&name) {
        return error(404, "environment not found");
    }
    match require(&state, Level::User) {
        Ok(()) => json(200, &shown(&state)),
        Err(refused) => refused,
    }
}

/// `GET /stats`: of the environments in which the user may see nodes.
pub(super) async fn stats(Shared(state): Shared<Arc<State>>) -> Response {
    let visible = require(&state, Level::User).is_ok();
    let nodes = if visible { state.nodes.all() } else { Vec::new() };
    let family = |family| nodes.iter().filter(|node| node.family() == family).count();
    let platforms = json!({
        "linux": family("linux"), "darwin": family("darwin"), "windows": family("windows"), "other": family("other"),
    });
    let total = nodes.len();
    let active = nodes.iter().filter(|node| is_active(&state, node)).count();
    let queries = if visible { lists::count(&state, "active") } else { 0 };
    let environment = json!({
        "uuid": state.osctrl.environment_uuid, "name": state.osctrl.environment, "active": active,
        "inactive": total - active, "total": total, "active_queries": queries, "active_carves": 0,
        "platform_counts": platforms,
    });
    let environments: Vec<Value> = visible.then_some(environment).into_iter().collect();
    let mut body = json!({
        "total_nodes": total, "active_nodes": active, "inactive_nodes": total - active,
        "total_active_queries": queries, "total_active_carves": 0, "platform_counts": platforms,
        "environments": environments,
    });
    if state.is_at_least(5, 4) {
        body["inactive_hours"] = json!(inactive_hours(&state));
    }
    let mut answer = json(200, &body);
    let private = HeaderValue::from_static("private, max-age=30");
    answer.headers_mut().insert(header::CACHE_CONTROL, private);
    answer
}
