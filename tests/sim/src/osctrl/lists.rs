//! The lists: of queries, and of the answers to one.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::{Path, Query as UrlQuery, State as Shared};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::page::{Page, Params, is_found};
use super::queries::{refuse, shown};
use super::query::{Answer, Query};
use super::state::State;
use super::users::{Level, error, json};

/// Queries that a list shows. None of them shows deleted ones beside others.
fn of_target(target: &str) -> Option<fn(&Query) -> bool> {
    Some(match target {
        "all" => |query| !query.deleted && !query.hidden,
        "all-full" => |query| !query.deleted,
        "active" => |query| query.active && !query.completed && !query.deleted && !query.expired,
        "completed" => |query| !query.active && query.completed && !query.deleted && !query.expired,
        "expired" => |query| !query.active && query.expired && !query.deleted,
        "hidden" => |query| !query.deleted && query.hidden,
        "hidden-completed" => |query| !query.active && query.completed && !query.deleted && query.hidden,
        "deleted" => |query| query.deleted,
        "saved" => |_| false,
        _ => return None,
    })
}

/// How many queries a list shows.
pub(super) fn count(state: &State, target: &str) -> usize {
    let inner = state.lock();
    of_target(target).map_or(0, |wanted| inner.queries.iter().filter(|query| wanted(query)).count())
}

/// `GET /queries/{env}`: completed ones only, and an error if there are none.
pub(super) async fn completed(Shared(state): Shared<Arc<State>>, Path(environment): Path<String>) -> Response {
    if let Err(refused) = refuse(&state, &environment, Level::Query) {
        return refused;
    }
    let wanted = of_target("completed").expect("there is such a list");
    let inner = state.lock();
    let found = inner.queries.iter().filter(|query| wanted(query));
    let found: Vec<Value> = found.map(|query| shown(&state, query, false)).collect();
    if found.is_empty() {
        error(404, "no queries")
    } else {
        json(200, &json!(found))
    }
}

/// `GET /queries/{env}/list/{target}`.
pub(super) async fn queries(
    Shared(state): Shared<Arc<State>>,
    Path((environment, target)): Path<(String, String)>,
    UrlQuery(params): Params,
) -> Response {
    if let Err(refused) = refuse(&state, &environment, Level::Query) {
        return refused;
    }
    let Some(wanted) = of_target(&target) else {
        return error(400, "invalid target");
    };
    let param = |name: &str| params.get(name).map_or("", String::as_str);
    let search = param("q");
    let inner = state.lock();
    let mut found: Vec<&Query> = inner.queries.iter().filter(|query| wanted(query)).collect();
    found.retain(|query| search.is_empty() || is_found(search, [&*query.name, &query.creator, &query.sql]));
    // A column that the server does not know takes the direction with it.
    let known = sort(&mut found, param("sort"));
    if !known || !param("dir").eq_ignore_ascii_case("asc") {
        found.reverse();
    }
    let items: Vec<Value> = found.into_iter().map(|query| shown(&state, query, false)).collect();
    json(200, &Page::of(&params, 50, 500).body(&items, 0))
}

/// Sorts by a column, ascending. Tells whether it is known; otherwise they are sorted by creation.
fn sort(queries: &mut [&Query], column: &str) -> bool {
    match column {
        "created" => queries.sort_by_key(|query| query.created_at),
        "name" => queries.sort_by_key(|query| &query.name),
        "creator" => queries.sort_by_key(|query| &query.creator),
        "expected" => queries.sort_by_key(|query| query.expected),
        "executions" => queries.sort_by_key(|query| query.executions),
        "errors" => queries.sort_by_key(|query| query.errors),
        // There is one type.
        "type" => {}
        _ => {
            queries.sort_by_key(|query| query.created_at);
            return false;
        }
    }
    true
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
    let since = params.get("since").map_or("", |text| text.trim());
    let after = time(since);
    let inner = state.lock();
    let Some(query) = inner.queries.iter().find(|query| query.name == name) else {
        return error(404, "query not found");
    };
    let answers = query.answers.iter();
    let mut found: Vec<&Answer> = answers
        .filter(|answer| after.is_none_or(|after| answer.created_at > after))
        .collect();
    // Nothing says how those of one moment stand to each other. Here it is not the way in which they came.
    found.sort_by_key(|answer| (answer.created_at, Reverse(answer.id)));
    let items = found.into_iter().map(|answer| {
        json!({
            "created_at": answer.created_at.to_string(), "data": answer.data, "environment": state.osctrl.environment,
            "id": answer.id, "name": query.name, "status": answer.status, "uuid": answer.uuid,
        })
    });
    let mut body = Page::of(&params, 100, 1_000).body(&items.collect::<Vec<_>>(), 0);
    if after.is_some() {
        body["since"] = json!(since);
    }
    json(200, &body)
}

/// A time as Go's RFC 3339 has it: with a zone, and nothing behind it.
fn time(text: &str) -> Option<Timestamp> {
    let shape = |at: usize, wanted: u8| text.as_bytes().get(at) == Some(&wanted);
    let strict = shape(10, b'T') && shape(13, b':') && shape(16, b':') && !text.contains('[');
    strict.then(|| text.parse().ok()).flatten()
}
