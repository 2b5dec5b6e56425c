//! Starting, watching and stopping the server.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};

use super::description::Osctrl;
use super::query::Query;
use super::state::State;
use super::{environments, lists, nodes, queries, users};
use crate::server::{Server, until};

/// A running osctrl server.
pub type OsctrlServer = Server<State>;

impl OsctrlServer {
    /// Starts a server on a free port of the loopback address.
    pub async fn start(osctrl: Osctrl) -> io::Result<Self> {
        let state = Arc::new(State::new(osctrl).map_err(io::Error::other)?);
        Self::serve(state.clone(), state.front.clone(), router(&state), &state.osctrl.prefix).await
    }

    /// How many logins succeeded.
    pub fn logins(&self) -> usize {
        self.state.lock().logins
    }

    /// How many logins were attempted.
    pub fn login_attempts(&self) -> usize {
        self.state.lock().login_limit.attempts()
    }

    /// All queries so far.
    pub fn queries(&self) -> Vec<Query> {
        self.state.lock().queries.clone()
    }

    /// Returns once no node gets a query any longer.
    pub async fn all_queries_ended(&self) {
        let ended = || !self.queries().iter().any(Query::is_delivered);
        until(&self.state.changed, ended).await;
    }

    /// Makes every token invalid that a login gave, as another login of the user does.
    pub fn revoke_sessions(&self) {
        let keep = self.state.osctrl.token.clone();
        self.state.lock().tokens.retain(|_, token| *token == keep);
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
