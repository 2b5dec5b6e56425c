//! Starting, watching and stopping the server.

use std::io;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request as HttpRequest, State as Shared};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::description::Fleet;
use super::state::{Campaign, State};
use super::{hosts, queries, reply, run, socket, users};
use crate::fault::What;
use crate::server::{Server, until};

/// Fleet's default limit of request bodies, in bytes.
const BODY_LIMIT: usize = 1 << 20;

/// The versions in paths. They lead to the same routes.
const VERSIONS: [&str; 3] = ["v1", "latest", "2022-04"];

/// A running Fleet server.
pub type FleetServer = Server<State>;

impl FleetServer {
    /// Starts a server on a free port of the loopback address.
    pub async fn start(fleet: Fleet) -> io::Result<Self> {
        let state = Arc::new(State::new(fleet).map_err(io::Error::other)?);
        Self::serve(state.clone(), state.front.clone(), router(&state), &state.fleet.prefix).await
    }

    /// How many logins succeeded.
    pub fn logins(&self) -> usize {
        self.state.lock().logins
    }

    /// How many logins were attempted.
    pub fn login_attempts(&self) -> usize {
        self.state.lock().login_limit.attempts()
    }

    /// All campaigns so far.
    pub fn campaigns(&self) -> Vec<Campaign> {
        self.state.lock().campaigns.clone()
    }

    /// Returns once no campaign is open.
    pub async fn all_campaigns_closed(&self) {
        let closed = || !self.campaigns().iter().any(|campaign| campaign.open);
        until(&self.state.changed, closed).await;
    }

    /// Makes every token invalid that a login gave.
    pub fn revoke_sessions(&self) {
        let keep = self.state.fleet.token.clone();
        self.state.lock().tokens.retain(|token, _| *token == keep);
    }
}

fn router(state: &Arc<State>) -> Router {
    let mut authenticated = Router::new()
        .route("/me", get(users::me))
        .route("/version", get(version))
        .route("/hosts", get(hosts::list))
        .route("/hosts/count", get(hosts::count))
        .route("/hosts/{id}", get(hosts::get))
        .route("/hosts/{id}/query", post(run::query_host))
        .route("/hosts/identifier/{name}", get(hosts::get_by_identifier))
        .route("/queries/run_by_names", post(run::run_by_identifiers))
        .route("/status/live_query", get(healthy))
        .route("/status/result_store", get(healthy))
        .merge(saved_queries("/queries"));
    if state.has_reports() {
        authenticated = authenticated.merge(saved_queries("/reports"));
    }
    let api = authenticated
        .route_layer(middleware::from_fn_with_state(state.clone(), move_hosts))
        .route_layer(middleware::from_fn_with_state(state.clone(), require_token))
        .route("/login", post(users::login))
        .route(socket::PATH, get(socket::results))
        .with_state(state.clone());
    let known = move |request: HttpRequest, next: Next| async move {
        // Axum takes any text for the version.
        let path = request.uri().path();
        if VERSIONS
            .iter()
            .any(|version| path.contains(&format!("/api/{version}/")))
        {
            next.run(request).await
        } else {
            reply::unknown().await
        }
    };
    Router::new()
        .nest(&format!("{}/api/{{version}}/fleet", state.fleet.prefix), api)
        .layer(middleware::from_fn(known))
        .fallback(reply::unknown)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// The routes of saved queries, which are the same below either name.
fn saved_queries(name: &str) -> Router<Arc<State>> {
    let routes = Router::new()
        .route("/run", post(run::run))
        .route("/run_by_identifiers", post(run::run_by_identifiers))
        .route("/{id}", get(queries::get))
        .route("/{id}/report", get(queries::report));
    Router::new().route(name, get(queries::list)).nest(name, routes)
}

async fn version(Shared(state): Shared<Arc<State>>) -> Response {
    Json(json!({"version": state.fleet.version})).into_response()
}

async fn healthy() -> Response {
    Json(json!({})).into_response()
}

/// Changes what hosts there are, where a fault says so, and answers as usual: lists shift while they are read.
async fn move_hosts(Shared(state): Shared<Arc<State>>, request: HttpRequest, next: Next) -> Response {
    let uri = request.uri();
    let fault = state.front.fault(uri.path(), uri.query().unwrap_or_default(), |what| {
        matches!(what, What::DeleteHosts(_) | What::MoveHosts(..))
    });
    // A host that is gone already is as gone as it should be.
    match fault {
        Some(What::DeleteHosts(ids)) => ids.iter().for_each(|id| drop(state.delete_host(*id))),
        Some(What::MoveHosts(ids, team)) => ids.iter().for_each(|id| drop(state.move_host(*id, team))),
        _ => {}
    }
    next.run(request).await
}

async fn require_token(Shared(state): Shared<Arc<State>>, request: HttpRequest, next: Next) -> Response {
    match users::authenticate(&state, request.headers()) {
        Ok(_) => next.run(request).await,
        Err(refused) => refused,
    }
}
