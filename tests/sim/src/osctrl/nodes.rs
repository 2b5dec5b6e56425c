//! The nodes of the environment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State as Shared};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::state::{State, uuid};
use super::users::{Level, error, json, require};
use crate::host::Enrolled;

pub(super) type Params = Query<HashMap<String, String>>;

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

/// A page of a list: what was asked for, or the server's usual.
pub(super) struct Page {
    pub(super) number: usize,
    pub(super) size: usize,
}

impl Page {
    /// Numbers that make no sense are replaced and not refused.
    pub(super) fn of(params: &HashMap<String, String>, usual: usize, most: usize) -> Self {
        let number = |name: &str| params.get(name).and_then(|text| text.parse::<usize>().ok());
        Self {
            number: number("page").filter(|page| *page >= 1).unwrap_or(1),
            size: number("page_size").filter(|size| *size >= 1).unwrap_or(usual).min(most),
        }
    }

    /// The reply. An empty list has `empty_pages` pages: the routes differ.
    pub(super) fn reply(&self, items: &[Value], empty_pages: usize) -> Response {
        let shown: Vec<&Value> = items
            .iter()
            .skip((self.number - 1).saturating_mul(self.size))
            .take(self.size)
            .collect();
        let pages = items.len().div_ceil(self.size).max(empty_pages);
        json(
            200,
            &json!({
                "items": shown, "page": self.number, "page_size": self.size,
                "total_items": items.len(), "total_pages": pages,
            }),
        )
    }
}

fn last_seen(enrolled: &Enrolled) -> Timestamp {
    let now = Timestamp::now();
    if enrolled.host.online { now } else { now - AWAY }
}

/// A node as lists show it.
fn node(state: &State, enrolled: &Enrolled) -> Value {
    let id = enrolled.id;
    let seen = last_seen(enrolled).to_string();
    json!({
        "id": id, "created_at": "2026-06-02T07:00:00.1Z", "updated_at": seen, "uuid": uuid(enrolled),
        "platform": enrolled.host.platform, "platform_version": "12", "osquery_version": "5.23.1",
        "hostname": enrolled.facts.hostname, "localname": enrolled.computer_name,
        "ip_address": format!("10.9.{}.{}", id / 250, id % 250), "username": "unknown", "osquery_user": "root",
        "environment": state.osctrl.environment, "cpu": "Invented CPU 8-core", "memory": "16777216000",
        "hardware_serial": enrolled.serial, "daemon_hash": "", "config_hash": "6a1f0c", "bytes_received": 1024,
        "last_seen": seen, "user_id": 0, "environment_id": 1, "extra_data": "",
    })
}

/// Whether the server takes a node for active. Without osctrl-admin, versions before 0.5.5 take none.
pub(super) fn is_active(state: &State, enrolled: &Enrolled) -> bool {
    enrolled.host.online && state.is_at_least(5, 5)
}

/// Nodes of a status, in the order of their ids.
fn of_status<'s>(state: &'s State, status: &str) -> Option<Vec<&'s Enrolled>> {
    let wanted: fn(&State, &Enrolled) -> bool = match status {
        "all" => |_, _| true,
        "active" => is_active,
        "inactive" => |state, enrolled| !is_active(state, enrolled),
        _ => return None,
    };
    Some(
        state
            .hosts
            .all()
            .iter()
            .filter(|enrolled| wanted(state, enrolled))
            .collect(),
    )
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
        "linux" => found.retain(|enrolled| !matches!(enrolled.host.platform.as_str(), "darwin" | "windows")),
        family @ ("darwin" | "windows") => found.retain(|enrolled| enrolled.host.platform == family),
        "other" => found.clear(),
        _ => return error(400, "invalid platform (linux|darwin|windows|other)"),
    }
    let pattern = format!("%{}%", param("q"));
    found.retain(|enrolled| {
        let texts = [
            &uuid(enrolled),
            &enrolled.facts.hostname,
            &enrolled.computer_name,
            &enrolled.host.platform,
        ];
        texts
            .into_iter()
            .any(|text| is_like(pattern.as_bytes(), text.as_bytes()))
    });
    // The default order moves while nodes check in.
    let sort = Some(param("sort"))
        .filter(|sort| SORTABLE.contains(sort))
        .unwrap_or("lastseen");
    found.sort_by_cached_key(|enrolled| match sort {
        "uuid" => uuid(enrolled),
        "hostname" => enrolled.facts.hostname.clone(),
        "localname" => enrolled.computer_name.clone(),
        "platform" => enrolled.host.platform.clone(),
        "lastseen" => last_seen(enrolled).to_string(),
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
    let items: Vec<Value> = found.into_iter().map(|enrolled| node(&state, enrolled)).collect();
    page.reply(&items, 1)
}

/// SQL's LIKE, as the server passes it on: nobody escapes `%` and `_`.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((b'%', pattern)), _) => (0..=text.len()).any(|skipped| is_like(pattern, &text[skipped..])),
        (Some((b'_', pattern)), Some((_, text))) => is_like(pattern, text),
        (Some((wanted, pattern)), Some((found, text))) => wanted == found && is_like(pattern, text),
        (Some(_), None) => false,
    }
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
    let level = if state.is_at_least(5, 4) {
        Level::Admin
    } else {
        Level::User
    };
    if let Err(refused) = require(&state, level) {
        return refused;
    }
    match of_status(&state, &status) {
        None => super::users::unrouted_get(&state),
        Some(found) if found.is_empty() => error(404, "no nodes"),
        Some(found) => {
            let found: Vec<Value> = found.into_iter().map(|enrolled| node(&state, enrolled)).collect();
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
    let level = if state.is_at_least(5, 4) {
        Level::Admin
    } else {
        Level::User
    };
    if let Err(refused) = require(&state, level) {
        return refused;
    }
    match state.hosts.all().iter().find(|enrolled| is_named(enrolled, &name)) {
        None => error(404, "node not found"),
        Some(enrolled) => {
            let mut shown = node(&state, enrolled);
            shown["node_key"] = json!(format!("node-key-of-{}", enrolled.id));
            json(200, &shown)
        }
    }
}

/// Whether a name means this node: its uuid in any case, or a name exactly.
pub(super) fn is_named(enrolled: &Enrolled, name: &str) -> bool {
    uuid(enrolled) == name.to_uppercase() || enrolled.facts.hostname == name || enrolled.computer_name == name
}
