//! The routes that read saved queries and their reports.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State as Shared};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::params::{self, ListOptions, Params};
use super::reply::{bad, error, not_found, of_status, unknown};
use super::saved::Saved;
use super::state::State;
use crate::osquery::Row;

pub(super) async fn list(Shared(state): Shared<Arc<State>>, Query(params): Params) -> Response {
    listed(&state, &params).map_or_else(|refused| refused, |body| Json(body).into_response())
}

fn listed(state: &State, params: &HashMap<String, String>) -> Result<Value, Response> {
    let options = ListOptions::read(params)?;
    let team = params::team(state, params)?.filter(|team| *team != 0);
    if team.is_some() && !state.sees(team) {
        return Err(of_status(403));
    }
    let inherits = match params.get("merge_inherited").map(String::as_str) {
        None | Some("" | "false" | "0") => false,
        Some("true" | "1") => team.is_some(),
        Some(_) => return Err(bad("Invalid merge_inherited")),
    };
    let platform = match params.get("platform").map(String::as_str) {
        None | Some("") => None,
        Some("macos" | "darwin") => Some("darwin"),
        Some(platform @ ("windows" | "linux")) => Some(platform),
        Some(_) => return Err(bad("Invalid platform")),
    };
    let text = params.get("query").map(|text| text.to_lowercase()).unwrap_or_default();
    let queries = state.queries();
    let wanted = |saved: &&Saved| {
        let query = &saved.query;
        (query.team_id == team || (inherits && query.team_id.is_none()))
            && platform.is_none_or(|platform| query.runs_on(platform))
            && query.name.to_lowercase().contains(&text)
    };
    let mut found: Vec<&Saved> = queries.all().iter().filter(wanted).collect();
    match options.order_key {
        None | Some("id") => {}
        Some("name") => found.sort_by_key(|saved| saved.query.name.to_lowercase()),
        Some("interval") => found.sort_by_key(|saved| saved.query.interval),
        Some("platform") => found.sort_by_key(|saved| saved.query.platform.clone()),
        Some("created_at") => found.sort_by_key(|saved| saved.created),
        Some("updated_at") => found.sort_by_key(|saved| saved.updated),
        Some(_) => return Err(error(422, "Validation Failed", "invalid order_key")),
    }
    if options.descending {
        found.reverse();
    }
    let inherited = found.iter().filter(|saved| saved.query.team_id != team).count();
    let (count, meta) = (found.len(), options.meta(found.len()));
    let page = options.page(found.into_iter());
    let page: Vec<Value> = page.iter().map(|saved| saved.body(state.has_reports())).collect();
    let mut answer = json!({"queries": page});
    if state.counts_queries() {
        answer["count"] = json!(count);
        answer["meta"] = meta;
    }
    if state.has_reports() {
        answer["reports"] = answer["queries"].clone();
        answer["inherited_query_count"] = json!(inherited);
        answer["inherited_report_count"] = json!(inherited);
    }
    Ok(answer)
}

pub(super) async fn get(Shared(state): Shared<Arc<State>>, Path((_, id)): Path<(String, String)>) -> Response {
    let Ok(number) = id.parse() else { return unknown().await };
    let queries = state.queries();
    let Some(saved) = queries.get(number) else {
        return not_found("Query", &id);
    };
    if !may_read(&state, saved) {
        return of_status(403);
    }
    let mut answer = json!({"query": saved.body(state.has_reports())});
    if state.has_reports() {
        answer["report"] = answer["query"].clone();
    }
    Json(answer).into_response()
}

/// Whether the user may read a query. Those of all teams may be read by the users of each.
fn may_read(state: &State, saved: &Saved) -> bool {
    saved.query.team_id.is_none() || state.sees(saved.query.team_id)
}

/// A row as reports show it.
#[derive(Serialize)]
struct ReportRow<'r> {
    host_id: u64,
    /// The display name.
    host_name: String,
    last_fetched: String,
    columns: &'r Row,
}

impl ReportRow<'_> {
    /// Whether the text, in lower case, is somewhere in it.
    fn has(&self, text: &str) -> bool {
        let values = self.columns.values().filter_map(Value::as_str);
        values
            .chain([self.host_name.as_str()])
            .any(|has| has.to_lowercase().contains(text))
    }
}

pub(super) async fn report(
    Shared(state): Shared<Arc<State>>,
    Path((_, id)): Path<(String, String)>,
    Query(params): Params,
) -> Response {
    let Ok(number) = id.parse() else { return unknown().await };
    let queries = state.queries();
    let Some(saved) = queries.get(number) else {
        return not_found("Query", &id);
    };
    stored(&state, saved, &params).map_or_else(|refused| refused, |body| Json(body).into_response())
}

fn stored(state: &State, saved: &Saved, params: &HashMap<String, String>) -> Result<Value, Response> {
    let team = params::team(state, params)?;
    let foreign = team.is_some_and(|team| team != 0 && !state.sees(Some(team)));
    if !may_read(state, saved) || foreign {
        return Err(of_status(403));
    }
    let rows = saved.report.rows().filter_map(|(id, at, columns)| {
        let host = state.hosts.get(id)?;
        let shown = state.sees(host.team) && team.is_none_or(|team| host.team.unwrap_or(0) == team);
        shown.then(|| ReportRow {
            host_id: id,
            host_name: host.display_name(),
            last_fetched: at.to_string(),
            columns,
        })
    });
    let mut rows: Vec<ReportRow<'_>> = rows.collect();
    let mut answer = json!({
        "query_id": saved.id,
        "report_clipped": saved.query.is_stored() && saved.report.is_clipped(state.cap()),
    });
    if state.has_reports() {
        answer["report_id"] = json!(saved.id);
    }
    if state.pages_reports() {
        let options = ListOptions::read(params)?;
        if let Some(text) = params.get("query") {
            rows.retain(|row| row.has(&text.to_lowercase()));
        }
        // The rows are ordered by `last_fetched` already, the newest first.
        match options.order_key {
            None => {}
            Some("last_fetched") => rows.sort_by(|row, other| row.last_fetched.cmp(&other.last_fetched)),
            Some("host_name") => rows.sort_by_key(|row| row.host_name.to_lowercase()),
            Some(_) => return Err(error(422, "Validation Failed", "invalid order_key")),
        }
        if options.descending {
            rows.reverse();
        }
        answer["count"] = json!(rows.len());
        answer["meta"] = options.meta(rows.len());
        rows = options.page(rows.into_iter());
    }
    answer["results"] = json!(rows);
    Ok(answer)
}
