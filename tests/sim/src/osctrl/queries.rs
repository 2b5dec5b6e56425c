//! Distributed queries: making one, and what there is to see and to do of it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, State as Shared};
use axum::response::Response;
use serde_json::{Value, json};

use super::agents;
use super::query::Query;
use super::state::{Asked, State};
use super::targets::{everybody, select};
use super::users::{Level, Who, error, json, require};

/// The time that Go writes when there is none.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// Why a request is refused before it does anything.
pub(super) fn refuse(state: &State, environment: &str, level: Level) -> Result<(), Response> {
    if !state.is_environment(environment) {
        return Err(error(500, "error getting environment"));
    }
    require(state, level)
}

/// `POST /queries/{env}`. Fields that the server does not know are ignored.
pub(super) async fn run(
    Shared(state): Shared<Arc<State>>,
    Extension(Who(who)): Extension<Who>,
    Path(environment): Path<String>,
    body: Bytes,
) -> Response {
    if let Err(refused) = refuse(&state, &environment, Level::Query) {
        return refused;
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return error(500, "error parsing POST body");
    };
    let sql = request["query"].as_str().unwrap_or_default().to_owned();
    if sql.is_empty() {
        return error(400, "query can not be empty");
    }
    if sql.to_lowercase().contains("carves") && require(&state, Level::Admin).is_err() {
        return error(403, &format!("{who} has insufficient permissions to carve"));
    }
    if request["environment_list"]
        .as_array()
        .is_some_and(|list| !list.is_empty() && !state.osctrl.super_admin)
    {
        // Rights are looked up by uuid and nodes by name, so this works for super-admins only.
        let refused = format!("{who} has insufficient permissions to run queries in environment");
        return error(403, &refused);
    }
    let selected = if state.osctrl.widens {
        Ok(everybody(&state))
    } else {
        select(&state, &request)
    };
    let (nodes, targets) = selected.clone().unwrap_or_default();
    // The row stays even when the targets cannot be resolved.
    let name = state.add_query(Asked {
        sql: sql.clone(),
        creator: who,
        nodes: nodes.clone(),
        targets,
        hidden: request["hidden"].as_bool().unwrap_or(false),
        hours: request["exp_hours"].as_i64().unwrap_or(0),
        scripted: false,
        request,
    });
    if selected.is_err() {
        return error(500, "error creating query");
    }
    agents::deliver(&state, &name, &sql, &nodes);
    json(200, &json!({"query_name": name}))
}

/// A query as lists show it; alone, newer servers show its targets, too.
pub(super) fn shown(state: &State, query: &Query, alone: bool) -> Value {
    let expiration = query.expiration.map_or_else(|| ZERO_TIME.into(), |end| end.to_string());
    let created = query.created_at.to_string();
    let mut shown = json!({
        "id": query.id, "created_at": created, "updated_at": created, "name": query.name, "creator": query.creator,
        "query": query.sql, "expected": query.expected, "executions": query.executions, "errors": query.errors,
        "active": query.active, "hidden": query.hidden, "protected": false, "completed": query.completed,
        "deleted": query.deleted, "expired": query.expired, "type": "query", "path": "", "environment_id": 1,
        "extra_data": "", "expiration": expiration, "target": "",
    });
    if alone && state.is_at_least(5, 4) {
        let targets = query
            .targets
            .iter()
            .map(|(kind, value)| json!({"type": kind, "value": value}));
        shown["targets"] = targets.collect();
    }
    shown
}

/// `GET /queries/{env}/{name}`. A query that does not exist is all zeros, with status 200.
pub(super) async fn show(
    Shared(state): Shared<Arc<State>>,
    Path((environment, name)): Path<(String, String)>,
) -> Response {
    if let Err(refused) = refuse(&state, &environment, Level::Query) {
        return refused;
    }
    let found = state
        .lock()
        .queries
        .iter()
        .find(|query| query.name == name)
        .map(|query| shown(&state, query, true));
    json(
        200,
        &found.unwrap_or_else(|| {
            json!({
                "id": 0, "created_at": ZERO_TIME, "updated_at": ZERO_TIME, "name": "", "creator": "", "query": "",
                "expected": 0, "executions": 0, "errors": 0, "active": false, "hidden": false, "protected": false,
                "completed": false, "deleted": false, "expired": false, "type": "", "path": "", "environment_id": 0,
                "extra_data": "", "expiration": ZERO_TIME, "target": "", "targets": [],
            })
        }),
    )
}

/// `POST /queries/{env}/{action}/{name}`.
pub(super) async fn act(
    Shared(state): Shared<Arc<State>>,
    Path((environment, action, name)): Path<(String, String, String)>,
) -> Response {
    if let Err(refused) = refuse(&state, &environment, Level::Admin) {
        return refused;
    }
    let strict = state.is_at_least(5, 5);
    let (done, act): (_, fn(&mut Query)) = match action.as_str() {
        "expire" => ("expired", Query::expire),
        "delete" => ("deleted", Query::delete),
        "complete" => ("completed", Query::complete),
        _ => ("", |_| ()),
    };
    match state.change(&name, act) {
        None => error(404, "query not found"),
        Some(()) if done.is_empty() && strict => error(400, "invalid action"),
        Some(()) if done.is_empty() => json(200, &json!({"message": ""})),
        Some(()) => json(200, &json!({"message": format!("query {name} {done} successfully")})),
    }
}
