//! The routes that read hosts.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, RawQuery, State as Shared};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::host_body::{HostBody, primary_ip};
use super::inventory::FleetHost;
use super::params::{self, ListOptions, Params};
use super::reply::{bad, error, not_found, of_status, unknown};
use super::state::State;
use crate::fault::What;

/// How long a host is new.
const NEW_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What a column holds that a list of hosts may be ordered by.
type Column = for<'h> fn(&'h HostBody<'_>) -> &'h str;

/// The columns that a list of hosts may be ordered by, besides the id.
const ORDER_KEYS: [(&str, Column); 12] = [
    ("uuid", |host| host.uuid),
    ("hostname", |host| host.hostname),
    ("computer_name", |host| host.computer_name),
    ("display_name", |host| &host.display_name),
    ("seen_time", |host| &host.seen_time),
    ("platform", |host| host.platform),
    ("os_version", |host| host.os_version),
    ("hardware_serial", |host| host.hardware_serial),
    ("primary_ip", |host| &host.primary_ip),
    ("team_name", |host| host.team_name.unwrap_or_default()),
    ("created_at", |host| &host.created_at),
    ("updated_at", |host| &host.updated_at),
];

pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    Query(params): Params,
    RawQuery(query): RawQuery,
) -> Response {
    let now = state.now();
    let read = Filter::read(&state, &params).and_then(|filter| Ok((filter, ListOptions::read(&params)?)));
    let page = read.and_then(|(filter, options)| page(&filter, &options));
    let hosts = match page {
        Ok(hosts) => hosts,
        Err(refused) => return refused,
    };
    let bodies = hosts.iter().map(|host| HostBody::of(&state, host, now).json());
    let mut bodies: Vec<String> = bodies.collect();
    let partial = |what: &What| *what == What::PartialHosts;
    let mut after = "";
    if state
        .front
        .fault("/hosts", &query.unwrap_or_default(), partial)
        .is_some()
    {
        bodies.truncate(bodies.len() / 2);
        after = ",\"error\":\"reading hosts: invalid connection\"";
    }
    let body = format!("{{\"hosts\":[{}]{after}}}", bodies.join(","));
    ([(CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

pub(super) async fn count(Shared(state): Shared<Arc<State>>, Query(params): Params) -> Response {
    let read = Filter::read(&state, &params).and_then(|filter| ListOptions::read(&params).map(|_| filter));
    match read {
        Ok(filter) => {
            let count = |hosts: &[Arc<FleetHost>]| hosts.iter().filter(|host| filter.takes(host)).count();
            Json(json!({"count": state.hosts.all(count)})).into_response()
        }
        Err(refused) => refused,
    }
}

pub(super) async fn get(Shared(state): Shared<Arc<State>>, Path((_, id)): Path<(String, String)>) -> Response {
    let Ok(number) = id.parse() else { return unknown().await };
    single(&state, state.hosts.get(number), &id)
}

/// The first host that is so called.
pub(super) async fn get_by_identifier(
    Shared(state): Shared<Arc<State>>,
    Path((_, name)): Path<(String, String)>,
) -> Response {
    let named = |hosts: &[Arc<FleetHost>]| hosts.iter().find(|host| host.is_identified_by(&name)).cloned();
    single(&state, state.hosts.all(named), &name)
}

fn single(state: &State, found: Option<Arc<FleetHost>>, name: &str) -> Response {
    let Some(host) = found else {
        return not_found("Host", name);
    };
    if !state.sees(host.team) {
        return of_status(403);
    }
    let body = format!("{{\"host\":{}}}", HostBody::of(state, &host, state.now()).json());
    ([(CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

/// Which hosts a request is about.
struct Filter<'r> {
    state: &'r State,
    now: Timestamp,
    team: Option<u64>,
    status: Option<&'r str>,
    /// In lower case.
    text: Option<String>,
}

impl<'r> Filter<'r> {
    fn read(state: &'r State, params: &'r HashMap<String, String>) -> Result<Self, Response> {
        let text = |name: &str| params.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let status = text("status");
        if let Some(status) = status
            && !["new", "online", "offline", "mia", "missing"].contains(&status)
        {
            return Err(bad(&format!("Invalid status: {status}")));
        }
        Ok(Self {
            state,
            now: state.now(),
            team: params::team(state, params)?,
            status,
            text: text("query").map(str::to_lowercase),
        })
    }

    fn takes_all(&self) -> bool {
        self.team.is_none() && self.status.is_none() && self.text.is_none() && self.state.sees_all()
    }

    fn takes(&self, host: &FleetHost) -> bool {
        let of_status = match self.status {
            None => true,
            Some("online") => host.is_online(),
            Some("offline") => !host.is_online(),
            Some("new") => self.now.duration_since(host.created) <= NEW_FOR,
            Some(_) => host.is_missing(self.now),
        };
        let of_team = self.team.is_none_or(|team| host.team.unwrap_or(0) == team);
        of_status && of_team && self.state.sees(host.team) && self.has_text(host)
    }

    fn has_text(&self, host: &FleetHost) -> bool {
        let Some(text) = &self.text else { return true };
        let enrolled = &host.enrolled;
        let facts = &enrolled.facts;
        let texts = [
            &facts.hostname,
            &enrolled.computer_name,
            &facts.uuid,
            &enrolled.serial,
            &primary_ip(enrolled.id),
        ];
        texts.iter().any(|has| has.to_lowercase().contains(text))
    }
}

/// One page. In the order of ids, only its own hosts cost anything, and those before it that a filter has to look at.
fn page(filter: &Filter<'_>, options: &ListOptions<'_>) -> Result<Vec<Arc<FleetHost>>, Response> {
    let key = options.order_key.unwrap_or("id");
    if key != "id" {
        let column = ORDER_KEYS.iter().find(|(name, _)| *name == key);
        let (_, column) = column.ok_or_else(|| error(422, "Validation Failed", "invalid order_key"))?;
        return Ok(page_by(filter, options, *column));
    }
    let after = options.after.map(str::parse::<u64>).transpose();
    let after = after.map_err(|_| bad("Invalid after"))?;
    let descending = options.descending;
    Ok(filter.state.hosts.all(|hosts| {
        let hosts = match after {
            None => hosts,
            Some(after) if descending => &hosts[..hosts.partition_point(|host| host.id() < after)],
            Some(after) => &hosts[hosts.partition_point(|host| host.id() <= after)..],
        };
        let mut found: Box<dyn DoubleEndedIterator<Item = &Arc<FleetHost>>> = Box::new(hosts.iter());
        if !filter.takes_all() {
            found = Box::new(found.filter(|host| filter.takes(host)));
        }
        if descending {
            found = Box::new(found.rev());
        }
        options.page(found.cloned())
    }))
}

/// One page in the order of a column, and of ids where it is the same. As in the database, case does not matter.
fn page_by(filter: &Filter<'_>, options: &ListOptions<'_>, column: Column) -> Vec<Arc<FleetHost>> {
    let found = |hosts: &[Arc<FleetHost>]| hosts.iter().filter(|host| filter.takes(host)).cloned().collect();
    let found: Vec<Arc<FleetHost>> = filter.state.hosts.all(found);
    let keyed = found.into_iter().map(|host| {
        let key = column(&HostBody::of(filter.state, &host, filter.now)).to_lowercase();
        (key, host)
    });
    let mut keyed: Vec<_> = keyed.collect();
    keyed.sort_by(|(key, _), (other, _)| key.cmp(other));
    if options.descending {
        keyed.reverse();
    }
    if let Some(after) = options.after.map(str::to_lowercase) {
        keyed.retain(|(key, _)| if options.descending { *key < after } else { *key > after });
    }
    options.page(keyed.into_iter().map(|(_, host)| host))
}
