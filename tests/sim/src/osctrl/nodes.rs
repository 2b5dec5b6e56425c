//! The nodes of the environment.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State as Shared};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::page::{Page, Params, is_found};
use super::registry::Node;
use super::state::State;
use super::users::{Level, error, json, require};

/// Columns that nodes can be sorted by.
const SORTABLE: [&str; 9] = [
    "uuid",
    "hostname",
    "localname",
    "ip",
    "platform",
    "version",
    "osquery",
    "lastseen",
    "firstseen",
];

/// How long a node that does not check in has been away.
const AWAY: Duration = Duration::from_hours(100);

fn last_seen(state: &State, node: &Node) -> Timestamp {
    let now = state.front.clock.now();
    if node.enrolled.host.online { now } else { now - AWAY }
}

/// A node as lists show it.
fn shown(state: &State, node: &Node) -> Value {
    let id = node.enrolled.id;
    let seen = last_seen(state, node).to_string();
    json!({
        "id": id, "created_at": node.created_at.to_string(), "updated_at": seen, "uuid": node.uuid(),
        "platform": node.enrolled.host.platform, "platform_version": "12", "osquery_version": "5.23.1",
        "hostname": node.enrolled.facts.hostname, "localname": node.enrolled.computer_name,
        "ip_address": format!("10.9.{}.{}", id / 250, id % 250), "username": "unknown", "osquery_user": "root",
        "environment": state.osctrl.environment, "cpu": "Invented CPU 8-core", "memory": "16777216000",
        "hardware_serial": node.enrolled.serial, "daemon_hash": "", "config_hash": "6a1f0c", "bytes_received": 1024,
        "last_seen": seen, "user_id": 0, "environment_id": 1, "extra_data": "",
    })
}

/// How long a node stays active, in hours. Without osctrl-admin, versions before 0.5.5 take none for active.
pub(super) fn inactive_hours(state: &State) -> u32 {
    if state.is_at_least(5, 5) { 72 } else { 0 }
}

/// Whether the server takes a node for active.
pub(super) fn is_active(state: &State, node: &Node) -> bool {
    node.enrolled.host.online && inactive_hours(state) > 0
}

/// Nodes of a status, in the order of their ids.
fn of_status(state: &State, status: &str) -> Option<Vec<Arc<Node>>> {
    let wanted: fn(&State, &Node) -> bool = match status {
        "all" => |_, _| true,
        "active" => is_active,
        "inactive" => |state, node| !is_active(state, node),
        _ => return None,
    };
    let mut nodes = state.nodes.all();
    nodes.retain(|node| wanted(state, node));
    Some(nodes)
}

/// `GET /nodes/{env}`.
pub(super) async fn paged(
    Shared(state): Shared<Arc<State>>,
    Path(environment): Path<String>,
    Query(params): Params,
) -> Response {
    if !state.is_environment(&environment) {
        return error(404, "environment not found");
    }
    if let Err(refused) = require(&state, Level::User) {
        return refused;
    }
    let param = |name: &str| params.get(name).map_or("", String::as_str);
    let status = if param("status").is_empty() {
        "all"
    } else {
        param("status")
    };
    let Some(mut found) = of_status(&state, status) else {
        return error(400, "invalid status (all|active|inactive)");
    };
    match param("platform") {
        "" => {}
        family @ ("linux" | "darwin" | "windows" | "other") => found.retain(|node| node.family() == family),
        _ => return error(400, "invalid platform (linux|darwin|windows|other)"),
    }
    found.retain(|node| {
        let texts = [
            &node.uuid(),
            &node.enrolled.facts.hostname,
            &node.enrolled.computer_name,
            &node.enrolled.host.platform,
        ];
        is_found(param("q"), texts.map(String::as_str))
    });
    // The default order moves while nodes check in.
    let sort = Some(param("sort"))
        .filter(|sort| SORTABLE.contains(sort))
        .unwrap_or("lastseen");
    found.sort_by_cached_key(|node| match sort {
        "uuid" => node.uuid(),
        "hostname" => node.enrolled.facts.hostname.clone(),
        "localname" => node.enrolled.computer_name.clone(),
        "platform" => node.enrolled.host.platform.clone(),
        "lastseen" => last_seen(&state, node).to_string(),
        "firstseen" => node.created_at.to_string(),
        _ => String::new(),
    });
    let descending = if param("sort").is_empty() {
        param("dir") != "asc"
    } else {
        param("dir") == "desc"
    };
    if descending {
        found.reverse();
    }
    let page = Page::of(&params, 50, 500);
    let items: Vec<Value> = found.iter().map(|node| shown(&state, node)).collect();
    json(200, &page.body(&items, 1))
}

/// `GET /nodes/{env}/all`, `active` and `inactive`: the whole table, and an error if that is empty.
pub(super) async fn listed(
    Shared(state): Shared<Arc<State>>,
    Path((environment, status)): Path<(String, String)>,
) -> Response {
    if !state.is_environment(&environment) {
        let code = if status == "all" { 400 } else { 500 };
        return error(code, "error getting environment");
    }
    if let Err(refused) = may_see_whole_nodes(&state) {
        return refused;
    }
    match of_status(&state, &status) {
        None => super::users::unrouted_get(&state),
        Some(found) if found.is_empty() => error(404, "no nodes"),
        Some(found) => {
            let found: Vec<Value> = found.iter().map(|node| shown(&state, node)).collect();
            json(200, &json!(found))
        }
    }
}

/// `GET /nodes/{env}/node/{node}`: with the agent's key, which is its credential.
pub(super) async fn one(
    Shared(state): Shared<Arc<State>>,
    Path((environment, name)): Path<(String, String)>,
) -> Response {
    if !state.is_environment(&environment) {
        return error(500, "error getting environment");
    }
    if let Err(refused) = may_see_whole_nodes(&state) {
        return refused;
    }
    match state.nodes.all().iter().find(|node| node.is_named(&name)) {
        None => error(404, "node not found"),
        Some(node) => {
            let mut shown = shown(&state, node);
            shown["node_key"] = json!(format!("node-key-of-{}", node.enrolled.id));
            json(200, &shown)
        }
    }
}

/// Refuses users below the level that sees nodes other than in pages. Since 0.5.4, that is `admin`.
fn may_see_whole_nodes(state: &State) -> Result<(), Response> {
    let level = if state.is_at_least(5, 4) {
        Level::Admin
    } else {
        Level::User
    };
    require(state, level)
}
