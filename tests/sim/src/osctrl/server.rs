//! Starting, watching and stopping the server.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use tokio::task::JoinHandle;

use super::description::Osctrl;
use super::query::Query;
use super::state::State;
use super::{environments, lists, nodes, queries, users};
use crate::front::Request;

/// A running server. It stops when it is dropped.
pub struct OsctrlServer {
    pub(super) state: Arc<State>,
    url: String,
    serving: JoinHandle<()>,
}

impl OsctrlServer {
    /// Starts a server on a free port of the loopback address.
    pub async fn start(osctrl: Osctrl) -> io::Result<Self> {
        let state = Arc::new(State::new(osctrl).map_err(io::Error::other)?);
        let (origin, serving) = state.front.serve(router(&state)).await?;
        let url = format!("{origin}{}", state.osctrl.prefix);
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

    /// Requests for paths that an osctrl server of this version does not have.
    pub fn unknown_paths(&self) -> Vec<String> {
        self.state.front.unknown_paths()
    }

    /// How many logins succeeded.
    pub fn logins(&self) -> usize {
        self.state.lock().logins
    }

    /// All queries so far.
    pub fn queries(&self) -> Vec<Query> {
        self.state.lock().queries.clone()
    }

    /// Returns once no node gets a query any longer.
    pub async fn all_queries_ended(&self) {
        loop {
            let changed = self.state.changed.notified();
            if !self.queries().iter().any(Query::is_delivered) {
                return;
            }
            changed.await;
        }
    }

    /// Makes every token invalid that a login gave, as another login of the user does.
    pub fn revoke_sessions(&self) {
        let keep = self.state.osctrl.token.clone();
        self.state.lock().tokens.retain(|_, token| *token == keep);
    }
}

impl Drop for OsctrlServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn router(state: &Arc<State>) -> Router {
    let api = Router::new()
        .route("/checks-auth", get(users::check))
        .route("/users/me", get(users::me))
        .route("/environments", get(environments::all))
        .route("/environments/{env}", get(environments::one))
        .route("/stats", get(environments::stats))
        .route("/nodes/{env}", get(nodes::paged))
        .route("/nodes/{env}/{status}", get(nodes::listed))
        .route("/nodes/{env}/node/{node}", get(nodes::one))
        .route("/queries/{env}", get(lists::completed).post(queries::run))
        .route("/queries/{env}/{name}", get(queries::show))
        .route("/queries/{env}/list/{target}", get(lists::queries))
        .route("/queries/{env}/results/{name}", get(lists::results))
        .route("/queries/{env}/{action}/{name}", post(queries::act))
        .route_layer(middleware::from_fn_with_state(state.clone(), users::require_token))
        .route("/login/environments", get(users::login_environments))
        .route("/login/{env}", post(users::login_in_environment))
        .route("/checks-no-auth", get(users::check));
    // The login without an environment came with 0.5.3.
    let api = if state.is_at_least(5, 3) {
        api.route("/login", post(users::login))
    } else {
        api
    };
    let routes = Router::new()
        .nest("/api/v1", api)
        .route("/health", get(users::check))
        .route("/forbidden", get(users::forbidden))
        .fallback(users::unrouted)
        .with_state(state.clone());
    if state.osctrl.prefix.is_empty() {
        routes
    } else {
        Router::new().nest(&state.osctrl.prefix, routes)
    }
}
