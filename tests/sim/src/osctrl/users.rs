//! Who asks, and what they may do.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, Request, State as Shared};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::state::State;
use crate::front::Unknown;

/// How long a token lives.
const TOKEN: SignedDuration = SignedDuration::from_hours(720);

/// The name of the user who asks.
#[derive(Clone)]
pub(super) struct Who(pub(super) String);

/// What a route asks of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    User,
    Query,
    Admin,
}

/// osctrl's error body.
pub(super) fn error(status: u16, words: &str) -> Response {
    json(status, &json!({"error": words}))
}

pub(super) fn json(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = [(header::CONTENT_TYPE, "application/json; charset=UTF-8")];
    (status, kind, body.to_string()).into_response()
}

/// The body that osctrl, or what stands before it, has for a status.
pub(super) fn of_status(status: u16) -> Response {
    match status {
        401 => json(401, &json!({"error": "unauthorized", "code": "unauthorized"})),
        403 => error(403, "no access"),
        429 => (
            StatusCode::TOO_MANY_REQUESTS,
            [("retry-after", "60")],
            "too many requests",
        )
            .into_response(),
        500 => error(500, "error getting queries"),
        other => (
            StatusCode::from_u16(other).unwrap_or(StatusCode::BAD_GATEWAY),
            "upstream connect error",
        )
            .into_response(),
    }
}

/// What osctrl answers to a path that it has no route for.
pub(super) async fn unrouted(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    if request.method() == axum::http::Method::GET {
        return unrouted_get(&state);
    }
    let mut answer = (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n").into_response();
    answer.extensions_mut().insert(Unknown);
    answer
}

/// Old servers answer any GET with a check mark.
pub(super) fn unrouted_get(state: &State) -> Response {
    let mut answer = if state.is_at_least(5, 3) {
        (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
    } else {
        check_mark()
    };
    answer.extensions_mut().insert(Unknown);
    answer
}

fn check_mark() -> Response {
    ([(header::CONTENT_TYPE, "Checked")], "✅").into_response()
}

pub(super) async fn check() -> Response {
    check_mark()
}

pub(super) async fn forbidden() -> Response {
    (StatusCode::FORBIDDEN, "❌").into_response()
}

/// Lets pass who has a token. Who does not say that JSON is welcome is sent to a page.
pub(super) async fn require_token(Shared(state): Shared<Arc<State>>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    // The server takes what stands behind the word.
    let token = text(header::AUTHORIZATION)
        .split("Bearer")
        .nth(1)
        .unwrap_or_default()
        .trim();
    let known = state.lock().tokens.iter().find_map(|(name, known)| {
        let same = !token.is_empty() && known == token;
        same.then(|| Who(name.clone()))
    });
    if let Some(who) = known {
        request.extensions_mut().insert(who);
        return next.run(request).await;
    }
    if text(header::ACCEPT).contains("application/json") {
        return of_status(401);
    }
    (StatusCode::FOUND, [(header::LOCATION, "/forbidden")]).into_response()
}

/// Fails if the users of this server have not this level.
pub(super) fn require(state: &State, level: Level) -> Result<(), Response> {
    let levels = state.osctrl.levels;
    let has = match level {
        Level::User => levels.user,
        Level::Query => levels.query,
        Level::Admin => false,
    };
    if has || levels.admin || state.osctrl.super_admin {
        Ok(())
    } else {
        Err(error(403, "no access"))
    }
}

pub(super) async fn login(Shared(state): Shared<Arc<State>>, body: Bytes) -> Response {
    log_in(&state, &body, false)
}

pub(super) async fn login_in_environment(
    Shared(state): Shared<Arc<State>>,
    Path(environment): Path<String>,
    body: Bytes,
) -> Response {
    if !state.is_environment(&environment) {
        return error(404, "environment not found");
    }
    log_in(&state, &body, true)
}

fn log_in(state: &State, body: &[u8], in_environment: bool) -> Response {
    let mut inner = state.lock();
    if inner.login_limit.attempt().is_err() {
        return of_status(429);
    }
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return error(500, "error parsing POST body");
    };
    let mut users = state.osctrl.users.iter();
    let user =
        users.find(|user| body["username"] == user.username.as_str() && body["password"] == user.password.as_str());
    let Some(user) = user else {
        return error(403, "invalid credentials");
    };
    if body["exp_hours"].as_i64().is_some_and(|hours| hours < 0) {
        return error(500, "error creating token");
    }
    if in_environment && require(state, Level::Admin).is_err() {
        return error(403, "no access");
    }
    if state.osctrl.second_factor {
        return json(
            200,
            &json!({
                "mfa_required": true, "mfa_enrollment_required": false,
                "challenge": "invented-challenge-id", "methods": ["totp", "recovery"],
            }),
        );
    }
    inner.logins += 1;
    let token = format!("session-token-{}-{}", user.username, inner.logins);
    // There is one token for a user: the one before is dead.
    inner.tokens.insert(user.username.clone(), token.clone());
    drop(inner);
    let cookies = [(header::SET_COOKIE, format!("osctrl_token={token}; HttpOnly; Secure"))];
    (
        cookies,
        json(200, &json!({"token": token, "csrf_token": format!("csrf-{token}")})),
    )
        .into_response()
}

pub(super) async fn login_environments(Shared(state): Shared<Arc<State>>) -> Response {
    json(
        200,
        &json!([{"uuid": state.osctrl.environment_uuid, "name": state.osctrl.environment}]),
    )
}

/// `GET /users/me`. Levels are those that were given: a super-admin needs none.
pub(super) async fn me(Shared(state): Shared<Arc<State>>, Extension(Who(name)): Extension<Who>) -> Response {
    let levels = state.osctrl.levels;
    let permissions: HashMap<&str, Value> = HashMap::from([(
        state.osctrl.environment_uuid.as_str(),
        json!({"user": levels.user, "query": levels.query, "carve": false, "admin": levels.admin}),
    )]);
    let expire = state
        .front
        .clock
        .now()
        .saturating_add(TOKEN)
        .unwrap_or(jiff::Timestamp::MAX);
    json(
        200,
        &json!({
            "username": name, "email": "", "fullname": "hunt service", "admin": state.osctrl.super_admin,
            "service": true, "uuid": "0f4e2f0e-84c4-4f0a-8c55-3f2b9a7d6e10", "token_expire": expire.to_string(),
            "last_access": "0001-01-01T00:00:00Z", "permissions": permissions,
        }),
    )
}
