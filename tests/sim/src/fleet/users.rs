//! Who asks, and what they may do.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::reply::{error, of_status};
use super::state::State;

/// Whom the token of the description belongs to.
pub(super) const API_USER: u64 = 1;

/// The id of the first user who can log in.
const FIRST_USER: u64 = 2;

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
    user.ok_or_else(|| of_status(401))
}

pub(super) async fn login(Shared(state): Shared<Arc<State>>, Json(body): Json<Value>) -> Response {
    if let Err(early) = state.lock().login_limit.attempt() {
        return too_early(early);
    }
    let email = body["email"].as_str().unwrap_or_default().to_lowercase();
    let user = state
        .fleet
        .users
        .iter()
        .position(|user| user.email == email && body["password"] == user.password.as_str());
    let Some(user) = user else {
        return error(401, "Authentication failed", "Authentication failed");
    };
    let id = FIRST_USER + user as u64;
    let mut inner = state.lock();
    inner.logins += 1;
    let token = format!("session-token-{user}-{}", inner.logins);
    inner.tokens.insert(token.clone(), id);
    drop(inner);
    let mut answer = account(&state, id);
    answer["token"] = json!(token);
    Json(answer).into_response()
}

/// Fleet's answer to a login that comes too early; it counts whole seconds.
fn too_early(early: Duration) -> Response {
    let seconds = early.as_secs();
    let words = format!("limit exceeded, retry after: {seconds}s");
    ([("retry-after", seconds.to_string())], error(429, &words, &words)).into_response()
}

pub(super) async fn me(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    match authenticate(&state, &headers) {
        Ok(user) => Json(account(&state, user)).into_response(),
        Err(refused) => refused,
    }
}

/// A user and the teams that they see.
fn account(state: &State, id: u64) -> Value {
    let login = id.checked_sub(FIRST_USER).and_then(|place| usize::try_from(place).ok());
    let login = login.and_then(|place| state.fleet.users.get(place));
    let seen = state.fleet.teams.iter().filter(|team| state.sees(Some(team.id)));
    let available: Vec<Value> = seen
        .map(|team| json!({"id": team.id, "name": team.name, "description": ""}))
        .collect();
    let with_role = |team: &Value| {
        let role = state.fleet.team_roles.get(&team["id"].as_u64()?)?;
        let mut team = team.clone();
        team["role"] = json!(role);
        Some(team)
    };
    let teams: Vec<Value> = available.iter().filter_map(with_role).collect();
    let mut account = json!({
        "user": {
            "created_at": "2025-03-04T08:12:33Z",
            "updated_at": "2026-02-11T09:00:01Z",
            "id": id,
            "name": login.map_or("Sweep Bot", |user| user.email.as_str()),
            "email": login.map_or("sweep-bot@corp.example", |user| user.email.as_str()),
            "force_password_reset": false,
            "gravatar_url": "",
            "sso_enabled": false,
            "mfa_enabled": false,
            "global_role": Some(&state.fleet.role).filter(|_| state.sees_all()),
            "api_only": login.is_none(),
            "teams": teams,
        },
        "available_teams": available,
    });
    if state.has_reports() {
        account["available_fleets"] = account["available_teams"].clone();
    }
    account
}
