//! The REST routes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::live;
use super::reply::{self, error};
use super::state::State;
use crate::fault::What;
use crate::front::Unknown;
use crate::host::{Behaviour, Enrolled};

type Params = Query<HashMap<String, String>>;

/// Columns that a list of hosts may be ordered by.
const ORDER_KEYS: [&str; 12] = [
    "id",
    "uuid",
    "hostname",
    "computer_name",
    "display_name",
    "seen_time",
    "platform",
    "os_version",
    "hardware_serial",
    "primary_ip",
    "created_at",
    "updated_at",
];

/// Roles that may run statements of their own.
const RUNNERS: [&str; 3] = ["admin", "maintainer", "observer_plus"];

/// Whose token the request carries.
pub(super) fn authenticate(state: &State, headers: &HeaderMap) -> Result<u64, Response> {
    let Some(header) = headers.get("authorization") else {
        return Err(error(
            401,
            "Authorization header required",
            "Authorization header required",
        ));
    };
    let token = header.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
    let user = token.and_then(|token| state.lock().tokens.get(token).copied());
    user.ok_or_else(|| reply::of_status(401))
}

pub(super) async fn login(Shared(state): Shared<Arc<State>>, Json(body): Json<Value>) -> Response {
    let email = body["email"].as_str().unwrap_or_default().to_lowercase();
    let user = state
        .fleet
        .users
        .iter()
        .position(|user| user.email == email && body["password"] == user.password.as_str());
    let Some(user) = user else {
        return error(401, "Authentication failed", "Authentication failed");
    };
    let mut inner = state.lock();
    inner.logins += 1;
    let token = format!("session-token-{user}-{}", inner.logins);
    inner.tokens.insert(token.clone(), 2 + user as u64);
    let mut answer = json!({
        "user": {"id": 2 + user, "email": email, "global_role": state.fleet.role, "api_only": false, "teams": []},
        "available_teams": [],
        "token": token,
    });
    if state.has_reports() {
        answer["available_fleets"] = json!([]);
    }
    Json(answer).into_response()
}

pub(super) async fn me(Shared(state): Shared<Arc<State>>) -> Response {
    let user = json!({"id": 1, "name": "Sweep Bot", "email": "sweep-bot@corp.example", "global_role": state.fleet.role, "api_only": true, "teams": []});
    Json(json!({"user": user, "available_teams": []})).into_response()
}

pub(super) async fn version(Shared(state): Shared<Arc<State>>) -> Response {
    Json(json!({"version": state.fleet.version})).into_response()
}

pub(super) async fn healthy() -> Response {
    Json(json!({})).into_response()
}

pub(super) async fn hosts(Shared(state): Shared<Arc<State>>, Query(params): Params) -> Response {
    let found = match filtered(&state, &params) {
        Ok(found) => found,
        Err(refused) => return refused,
    };
    let number = |name: &str| params.get(name).map(|text| text.parse::<usize>());
    let bad = |name: &str| error(400, "Bad request", &format!("Invalid {name}"));
    let (page, size) = match (number("page"), number("per_page")) {
        (Some(Err(_)), _) => return bad("page"),
        (_, Some(Err(_) | Ok(0))) => return bad("per_page"),
        (None, None) => (0, usize::MAX),
        (page, size) => (
            page.and_then(Result::ok).unwrap_or(0),
            size.and_then(Result::ok).unwrap_or(20),
        ),
    };
    if let Some(key) = params.get("order_key")
        && !ORDER_KEYS.contains(&key.as_str())
    {
        return error(422, "Validation Failed", "invalid order_key");
    }
    let partial = state
        .front
        .fault("/hosts", |what| *what == What::PartialHosts)
        .is_some();
    let taken = found.into_iter().skip(page.saturating_mul(size)).take(size);
    let mut hosts: Vec<Value> = taken.map(|enrolled| reply::host(&state, enrolled)).collect();
    if partial {
        hosts.truncate(hosts.len() / 2);
        return Json(json!({"hosts": hosts, "error": "reading hosts: invalid connection"})).into_response();
    }
    Json(json!({"hosts": hosts})).into_response()
}

pub(super) async fn hosts_count(Shared(state): Shared<Arc<State>>, Query(params): Params) -> Response {
    match filtered(&state, &params) {
        Ok(found) => Json(json!({"count": found.len()})).into_response(),
        Err(refused) => refused,
    }
}

fn filtered<'s>(state: &'s State, params: &HashMap<String, String>) -> Result<Vec<&'s Enrolled>, Response> {
    let wanted = params.get("query").map(|text| text.to_lowercase());
    let status = params.get("status").map(String::as_str);
    if !matches!(status, None | Some("online" | "offline" | "new" | "mia" | "missing")) {
        return Err(error(
            400,
            "Bad request",
            &format!("Invalid status: {}", status.unwrap_or_default()),
        ));
    }
    let matches = |enrolled: &&Enrolled| {
        let text_matches = wanted.as_ref().is_none_or(|wanted| {
            let texts = [
                &enrolled.facts.hostname,
                &enrolled.computer_name,
                &enrolled.facts.uuid,
                &enrolled.serial,
            ];
            texts.iter().any(|text| text.to_lowercase().contains(wanted))
        });
        let status_matches = match status {
            Some("online") => enrolled.host.online,
            Some("offline") => !enrolled.host.online,
            Some(_) => false,
            None => true,
        };
        text_matches && status_matches
    };
    Ok(state.hosts.all().iter().filter(matches).collect())
}

pub(super) async fn host(Shared(state): Shared<Arc<State>>, Path((_, id)): Path<(String, String)>) -> Response {
    match id.parse().ok().and_then(|id| state.host(id)) {
        Some(enrolled) => Json(json!({"host": reply::host(&state, enrolled)})).into_response(),
        None => error(
            404,
            "Resource Not Found",
            &format!("Host {id} was not found in the datastore"),
        ),
    }
}

pub(super) async fn host_by_identifier(
    Shared(state): Shared<Arc<State>>,
    Path((_, name)): Path<(String, String)>,
) -> Response {
    match state.hosts.all().iter().find(|enrolled| identifies(enrolled, &name)) {
        Some(enrolled) => Json(json!({"host": reply::host(&state, enrolled)})).into_response(),
        None => error(
            404,
            "Resource Not Found",
            &format!("Host {name} was not found in the datastore"),
        ),
    }
}

fn identifies(enrolled: &Enrolled, name: &str) -> bool {
    [&enrolled.facts.hostname, &enrolled.facts.uuid, &enrolled.serial]
        .iter()
        .any(|text| *text == name)
}

pub(super) async fn reports(Shared(state): Shared<Arc<State>>) -> Response {
    let mut answer =
        json!({"queries": [], "count": 0, "meta": {"has_next_results": false, "has_previous_results": false}});
    if state.has_reports() {
        answer["reports"] = json!([]);
    }
    Json(answer).into_response()
}

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
    let ids = state
        .hosts
        .all()
        .iter()
        .filter(|enrolled| names.iter().any(|name| identifies(enrolled, name)));
    let ids = ids.map(|enrolled| enrolled.id).collect();
    start(&state, &headers, &body, ids)
}

fn start(state: &Arc<State>, headers: &HeaderMap, body: &Value, ids: Vec<u64>) -> Response {
    let user = match authenticate(state, headers) {
        Ok(user) => user,
        Err(refused) => return refused,
    };
    if !RUNNERS.contains(&state.fleet.role.as_str()) {
        return reply::of_status(403);
    }
    let sql = body["query"].as_str().unwrap_or_default().trim();
    if sql.is_empty() {
        return error(422, "Validation Failed", "one of query or query_id must be specified");
    }
    let hosts: Vec<u64> = ids.into_iter().filter(|id| state.host(*id).is_some()).collect();
    if hosts.is_empty() {
        return error(400, "Bad request", "no hosts targeted");
    }
    let online = hosts
        .iter()
        .filter(|id| state.host(**id).is_some_and(|enrolled| enrolled.host.online))
        .count();
    let metrics = json!({
        "TotalHosts": hosts.len(), "OnlineHosts": online, "OfflineHosts": hosts.len() - online,
        "MissingInActionHosts": 0, "NewHosts": 0,
    });
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
    if !RUNNERS.contains(&state.fleet.role.as_str()) {
        return reply::of_status(403);
    }
    let sql = body["query"].as_str().unwrap_or_default().to_owned();
    if sql.trim().is_empty() {
        return error(400, "Bad request", "query is required");
    }
    let Some(enrolled) = id.parse().ok().and_then(|id| state.host(id)) else {
        let reason = format!("host not found: {id}: Host {id} was not found in the datastore");
        return error(400, "Bad request", &reason);
    };
    let mut answer = json!({"host_id": enrolled.id, "rows": null, "query": sql, "status": "online"});
    if !enrolled.host.online {
        answer["status"] = json!("offline");
        return Json(answer).into_response();
    }
    let period = Duration::from_millis(state.fleet.rest_period_ms);
    let latency = Duration::from_millis(enrolled.host.latency_ms);
    if enrolled.host.behaviour == Behaviour::Silent || latency > period {
        tokio::time::sleep(period).await;
        answer["error"] = json!("timeout waiting for results");
        return Json(answer).into_response();
    }
    tokio::time::sleep(latency).await;
    match state.hosts.answer(enrolled.id, &sql).await {
        Ok(rows) => answer["rows"] = json!(rows),
        Err(message) => {
            answer["rows"] = json!([]);
            answer["error"] = json!(message);
        }
    }
    Json(answer).into_response()
}

pub(super) async fn unknown() -> Response {
    let mut answer = (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    answer.extensions_mut().insert(Unknown);
    answer
}
