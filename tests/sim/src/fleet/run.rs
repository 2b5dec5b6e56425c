//! The routes that run a statement on hosts while somebody waits.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::inventory::FleetHost;
use super::live;
use super::reply::{bad, error, of_status};
use super::state::State;
use super::users::authenticate;
use crate::host::Behaviour;

/// Starts a campaign for hosts given by id.
pub(super) async fn run(Shared(state): Shared<Arc<State>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let ids: Option<Vec<u64>> = body["selected"]["hosts"]
        .as_array()
        .map(|ids| ids.iter().filter_map(Value::as_u64).collect());
    start(&state, &headers, &body, ids.unwrap_or_default())
}

/// Starts a campaign for hosts given by name; names it does not know are dropped without a word.
pub(super) async fn run_by_identifiers(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let names: Vec<&str> = body["selected"]["hosts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let named = |hosts: &[Arc<FleetHost>]| {
        let named = hosts
            .iter()
            .filter(|host| names.iter().any(|name| host.is_identified_by(name)));
        named.map(|host| host.id()).collect()
    };
    let ids = state.hosts.all(named);
    start(&state, &headers, &body, ids)
}

fn start(state: &Arc<State>, headers: &HeaderMap, body: &Value, ids: Vec<u64>) -> Response {
    let user = match authenticate(state, headers) {
        Ok(user) => user,
        Err(refused) => return refused,
    };
    if !state.runs_anywhere() {
        return of_status(403);
    }
    let sql = body["query"].as_str().unwrap_or_default().trim();
    if sql.is_empty() {
        return error(422, "Validation Failed", "one of query or query_id must be specified");
    }
    let known = ids.into_iter().filter_map(|id| state.hosts.get(id));
    let known: Vec<_> = known.filter(|host| state.runs_on(host.team)).collect();
    if known.is_empty() {
        return bad("no hosts targeted");
    }
    let now = state.now();
    let online = known.iter().filter(|host| host.is_online()).count();
    let metrics = json!({
        "TotalHosts": known.len(), "OnlineHosts": online, "OfflineHosts": known.len() - online,
        "MissingInActionHosts": known.iter().filter(|host| host.is_missing(now)).count(), "NewHosts": 0,
    });
    let hosts = known.iter().map(|host| host.id()).collect();
    let id = live::start(state, user, sql, hosts);
    let campaign = json!({
        "created_at": "0001-01-01T00:00:00Z", "updated_at": "0001-01-01T00:00:00Z", "Metrics": metrics,
        "id": id, "query_id": id + 5_000, "status": 0, "user_id": user,
    });
    Json(json!({"campaign": campaign})).into_response()
}

/// Runs a statement on one host while the caller waits. Every outcome has status 200.
pub(super) async fn query_host(
    Shared(state): Shared<Arc<State>>,
    Path((_, id)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Response {
    if !state.runs_anywhere() {
        return of_status(403);
    }
    let sql = body["query"].as_str().unwrap_or_default().to_owned();
    if sql.trim().is_empty() {
        return bad("query is required");
    }
    let Some(host) = id.parse().ok().and_then(|id| state.hosts.get(id)) else {
        return bad(&format!(
            "host not found: {id}: Host {id} was not found in the datastore"
        ));
    };
    let mut answer = json!({"host_id": host.id(), "rows": null, "query": sql, "status": "online"});
    if !state.runs_on(host.team) {
        answer["error"] = json!("no hosts targeted");
        return Json(answer).into_response();
    }
    if !host.is_online() {
        answer["status"] = json!("offline");
        return Json(answer).into_response();
    }
    let period = Duration::from_millis(state.fleet.rest_period_ms);
    let described = &host.enrolled.host;
    let latency = Duration::from_millis(described.latency_ms);
    if described.behaviour == Behaviour::Silent || latency > period {
        tokio::time::sleep(period).await;
        answer["error"] = json!("timeout waiting for results");
        return Json(answer).into_response();
    }
    tokio::time::sleep(latency).await;
    match state.hosts.answer(host, &sql).await {
        Ok(rows) => answer["rows"] = json!(rows),
        Err(message) => {
            answer["rows"] = json!([]);
            answer["error"] = json!(message);
        }
    }
    Json(answer).into_response()
}
