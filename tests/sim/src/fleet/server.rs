//! Starting, watching and stopping the server.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request as HttpRequest, State as Shared};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::task::JoinHandle;

use super::description::Fleet;
use super::state::{Campaign, State};
use super::{rest, socket};
use crate::front::Request;

/// Fleet's default limit of request bodies, in bytes.
const BODY_LIMIT: usize = 1 << 20;

/// The versions in paths. They lead to the same routes.
const VERSIONS: [&str; 3] = ["v1", "latest", "2022-04"];

/// A running server. It stops when it is dropped.
pub struct FleetServer {
    state: Arc<State>,
    url: String,
    serving: JoinHandle<()>,
}

impl FleetServer {
    /// Starts a server on a free port of the loopback address.
    pub async fn start(fleet: Fleet) -> io::Result<Self> {
        let state = Arc::new(State::new(fleet).map_err(io::Error::other)?);
        let (origin, serving) = state.front.serve(router(&state)).await?;
        let url = format!("{origin}{}", state.fleet.prefix);
        Ok(Self { state, url, serving })
    }

    /// Its address, with the prefix.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All requests so far, in the order in which they arrived.
    pub fn requests(&self) -> Vec<Request> {
        self.state.front.requests().clone()
    }

    /// Requests for paths that a Fleet server of this version does not have.
    pub fn unknown_paths(&self) -> Vec<String> {
        self.state.front.unknown_paths()
    }

    /// How many logins succeeded.
    pub fn logins(&self) -> usize {
        self.state.lock().logins
    }

    /// All campaigns so far.
    pub fn campaigns(&self) -> Vec<Campaign> {
        self.state.lock().campaigns.clone()
    }

    /// Returns once no campaign is open.
    pub async fn all_campaigns_closed(&self) {
        loop {
            let changed = self.state.changed.notified();
            if !self.campaigns().iter().any(|campaign| campaign.open) {
                return;
            }
            changed.await;
        }
    }

    /// Makes every token invalid that a login gave.
    pub fn revoke_sessions(&self) {
        let keep = self.state.fleet.token.clone();
        self.state.lock().tokens.retain(|token, _| *token == keep);
    }
}

impl Drop for FleetServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn router(state: &Arc<State>) -> Router {
    let mut authenticated = Router::new()
        .route("/me", get(rest::me))
        .route("/version", get(rest::version))
        .route("/hosts", get(rest::hosts))
        .route("/hosts/count", get(rest::hosts_count))
        .route("/hosts/{id}", get(rest::host))
        .route("/hosts/{id}/query", post(rest::query_host))
        .route("/hosts/identifier/{name}", get(rest::host_by_identifier))
        .route("/queries", get(rest::reports))
        .route("/queries/run", post(rest::run))
        .route("/queries/run_by_identifiers", post(rest::run_by_identifiers))
        .route("/queries/run_by_names", post(rest::run_by_identifiers))
        .route("/status/live_query", get(rest::healthy))
        .route("/status/result_store", get(rest::healthy));
    if state.has_reports() {
        authenticated = authenticated
            .route("/reports", get(rest::reports))
            .route("/reports/run", post(rest::run))
            .route("/reports/run_by_identifiers", post(rest::run_by_identifiers));
    }
    let api = authenticated
        .route_layer(middleware::from_fn_with_state(state.clone(), require_token))
        .route("/login", post(rest::login))
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
            rest::unknown().await
        }
    };
    Router::new()
        .nest(&format!("{}/api/{{version}}/fleet", state.fleet.prefix), api)
        .layer(middleware::from_fn(known))
        .fallback(rest::unknown)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

async fn require_token(Shared(state): Shared<Arc<State>>, request: HttpRequest, next: Next) -> Response {
    match rest::authenticate(&state, request.headers()) {
        Ok(_) => next.run(request).await,
        Err(refused) => refused,
    }
}
