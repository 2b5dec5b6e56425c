//! Distributed queries.

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query as UrlQuery, State as Shared};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::agents;
use super::nodes::{Page, Params, is_active, is_named};
use super::state::{Query, State, uuid};
use super::users::{Level, error, json, require};
use crate::host::Enrolled;

/// The time that Go writes when there is none.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// Why a request is refused before it does anything.
fn refuse(state: &State, environment: &str, level: Level) -> Result<(), Response> {
    if !state.is_environment(environment) {
        return Err(error(500, "error getting environment"));
    }
    require(state, level)
}

/// `POST /queries/{env}`. Fields that the server does not know are ignored.
pub(super) async fn run(Shared(state): Shared<Arc<State>>, Path(environment): Path<String>, body: Bytes) -> Response {
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
    if sql.to_lowercase().contains("carves") && !state.osctrl.levels.admin {
        return error(403, "hunter-svc has insufficient permissions to carve");
    }
    if request["environment_list"]
        .as_array()
        .is_some_and(|list| !list.is_empty())
    {
        // Rights are looked up by uuid and nodes by name, so this works for super-admins only.
        return error(
            403,
            "hunter-svc has insufficient permissions to run queries in environment",
        );
    }
    let selected = if state.osctrl.widens {
        Ok(everybody(&state))
    } else {
        select(&state, &request)
    };
    let now = Timestamp::now();
    let hours = request["exp_hours"].as_i64().unwrap_or(0);
    let (nodes, targets) = selected.clone().unwrap_or_default();
    let mut inner = state.lock();
    let id = 41 + inner.queries.len() as u64;
    let name = format!("query_{id:032x}");
    // The row stays even when the targets cannot be resolved.
    inner.queries.push(Query {
        id,
        name: name.clone(),
        sql: sql.clone(),
        request,
        expected: nodes.len(),
        pending: nodes.len(),
        nodes: nodes.clone(),
        targets,
        executions: 0,
        errors: 0,
        completed: false,
        deleted: false,
        expired: false,
        active: true,
        created_at: now,
        expiration: (hours != 0).then(|| {
            now.saturating_add(SignedDuration::from_hours(hours))
                .unwrap_or(Timestamp::MAX)
        }),
        answers: Vec::new(),
    });
    drop(inner);
    state.changed.notify_waiters();
    if selected.is_err() {
        return error(500, "error creating query");
    }
    agents::deliver(&state, &name, &sql, &nodes);
    json(200, &json!({"query_name": name}))
}

/// Nodes, one entry for each time they are selected, and what selected them.
type Selection = (Vec<u64>, Vec<(String, String)>);

fn everybody(state: &State) -> Selection {
    let all = state.hosts.all().iter().map(|enrolled| enrolled.id).collect();
    (all, vec![("environment".into(), state.osctrl.environment.clone())])
}

/// The nodes that a request selects: an intersection in which an empty side counts for nothing. Fails for an unknown one.
fn select(state: &State, request: &Value) -> Result<Selection, ()> {
    let list = |name: &str| -> Vec<String> {
        let texts = request[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    };
    let (uuids, hosts, platforms) = (list("uuid_list"), list("host_list"), list("platform_list"));
    if uuids.is_empty() && hosts.is_empty() && platforms.is_empty() {
        return Ok(if state.is_at_least(5, 4) {
            everybody(state)
        } else if state.is_at_least(5, 3) {
            let active = state.hosts.all().iter().filter(|enrolled| is_active(state, enrolled));
            (active.map(|enrolled| enrolled.id).collect(), Vec::new())
        } else {
            (Vec::new(), Vec::new())
        });
    }
    let find = |texts: &[String], named: fn(&Enrolled, &str) -> bool| -> Result<Vec<u64>, ()> {
        let texts = texts.iter().filter(|text| !text.is_empty());
        // With several matches the lowest id wins.
        let found = texts.map(|text| state.hosts.all().iter().find(|enrolled| named(enrolled, text)));
        found
            .map(|enrolled| enrolled.map(|enrolled| enrolled.id).ok_or(()))
            .collect()
    };
    let by_uuid = find(&uuids, |enrolled, text| uuid(enrolled) == text.to_uppercase())?;
    let by_name = find(&hosts, is_named)?;
    let by_platform: Vec<u64> = state
        .hosts
        .all()
        .iter()
        .filter(|enrolled| platforms.contains(&enrolled.host.platform) && is_active(state, enrolled))
        .map(|enrolled| enrolled.id)
        .collect();
    let mut nodes = Vec::new();
    for side in [by_uuid, by_name, by_platform]
        .into_iter()
        .filter(|side| !side.is_empty())
    {
        if nodes.is_empty() {
            nodes = side;
        } else {
            let other: HashSet<u64> = side.into_iter().collect();
            nodes.retain(|id| other.contains(id));
        }
    }
    let typed = |kind: &str, texts: Vec<String>| -> Vec<(String, String)> {
        texts.into_iter().map(|text| (kind.to_owned(), text)).collect()
    };
    let targets = [typed("uuid", uuids), typed("host", hosts), typed("platform", platforms)].concat();
    Ok((nodes, targets))
}

/// A query as lists show it; alone, newer servers show its targets, too.
fn shown(state: &State, query: &Query, alone: bool) -> Value {
    let expiration = query.expiration.map_or_else(|| ZERO_TIME.into(), |end| end.to_string());
    let created = query.created_at.to_string();
    let mut shown = json!({
        "id": query.id, "created_at": created, "updated_at": created, "name": query.name, "creator": "hunter-svc",
        "query": query.sql, "expected": query.expected, "executions": query.executions, "errors": query.errors,
        "active": query.active, "hidden": false, "protected": false, "completed": query.completed,
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

/// `GET /queries/{env}`: completed ones only, and an error if there are none.
pub(super) async fn completed(Shared(state): Shared<Arc<State>>, Path(environment): Path<String>) -> Response {
    if let Err(refused) = refuse(&state, &environment, Level::Query) {
        return refused;
    }
    let inner = state.lock();
    let found: Vec<Value> = inner
        .queries
        .iter()
        .filter(|query| query.completed)
        .map(|query| shown(&state, query, false))
        .collect();
    if found.is_empty() {
        error(404, "no queries")
    } else {
        json(200, &json!(found))
    }
}

/// `GET /queries/{env}/list/{target}`.
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    Path((environment, target)): Path<(String, String)>,
    UrlQuery(params): Params,
) -> Response {
    if let Err(refused) = refuse(&state, &environment, Level::Query) {
        return refused;
    }
    let wanted: fn(&Query) -> bool = match target.as_str() {
        "all" => |query| !query.deleted,
        "all-full" => |_| true,
        "active" => |query| query.active && !query.completed,
        "completed" => |query| query.completed,
        "expired" => |query| query.expired,
        "deleted" => |query| query.deleted,
        "saved" | "hidden" | "hidden-completed" => |_| false,
        _ => return error(400, "invalid target"),
    };
    let inner = state.lock();
    let mut found: Vec<Value> = inner
        .queries
        .iter()
        .filter(|query| wanted(query))
        .map(|query| shown(&state, query, false))
        .collect();
    if params.get("dir").is_none_or(|dir| dir != "asc") {
        found.reverse();
    }
    Page::of(&params, 50, 500).reply(&found, 0)
}

/// `GET /queries/{env}/results/{name}`: one item is one node's whole answer.
pub(super) async fn results(
    Shared(state): Shared<Arc<State>>,
    Path((environment, name)): Path<(String, String)>,
    UrlQuery(params): Params,
) -> Response {
    if let Err(refused) = refuse(&state, &environment, Level::Query) {
        return refused;
    }
    let since: Option<Timestamp> = params.get("since").and_then(|text| text.parse().ok());
    let inner = state.lock();
    let Some(query) = inner.queries.iter().find(|query| query.name == name) else {
        return error(404, "query not found");
    };
    let mut found: Vec<_> = query
        .answers
        .iter()
        .filter(|answer| since.is_none_or(|since| answer.created_at > since))
        .collect();
    found.sort_by_key(|answer| answer.created_at);
    let items: Vec<Value> = found
        .into_iter()
        .map(|answer| {
            json!({
                "created_at": answer.created_at.to_string(), "data": answer.data, "environment": state.osctrl.environment,
                "id": answer.id, "name": query.name, "status": answer.status, "uuid": answer.uuid,
            })
        })
        .collect();
    Page::of(&params, 100, 1_000).reply(&items, 0)
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
    let done = state.change(&name, |query| match action.as_str() {
        "expire" => {
            (query.active, query.expired) = (false, true);
            format!("query {name} expired successfully")
        }
        "delete" => {
            (query.active, query.deleted) = (false, true);
            format!("query {name} deleted successfully")
        }
        "complete" => {
            (query.active, query.completed) = (false, true);
            format!("query {name} completed successfully")
        }
        _ => String::new(),
    });
    match done {
        None => error(404, "query not found"),
        Some(message) if message.is_empty() && strict => error(400, "invalid action"),
        Some(message) => json(200, &json!({"message": message})),
    }
}
