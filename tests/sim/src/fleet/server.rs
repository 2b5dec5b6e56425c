//! Starting, watching and stopping the server.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, Request as HttpRequest, State as Shared};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use futures::stream;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::description::{Fleet, What};
use super::state::{Campaign, Request, State};
use super::{reply, rest, socket};

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
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}{}", listener.local_addr()?, fleet.prefix);
        let state = Arc::new(State::new(fleet));
        let router = router(&state);
        let serving = tokio::spawn(async move {
            // Only a listener that breaks ends this; its clients then see a closed port.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { state, url, serving })
    }

    /// Its address, with the prefix.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All requests so far, in the order in which they were answered.
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().requests.clone()
    }

    /// Requests for paths that a Fleet server of this version does not have.
    pub fn unknown_paths(&self) -> Vec<String> {
        self.requests()
            .into_iter()
            .filter(|request| !request.known)
            .map(|request| request.path)
            .collect()
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
    Router::new()
        .nest(&format!("{}/api/{{version}}/fleet", state.fleet.prefix), api)
        .fallback(rest::unknown)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(state.clone(), watch))
}

async fn require_token(Shared(state): Shared<Arc<State>>, request: HttpRequest, next: Next) -> Response {
    match rest::authenticate(&state, request.headers()) {
        Ok(_) => next.run(request).await,
        Err(refused) => refused,
    }
}

/// Writes the request down, and lets go wrong what should.
async fn watch(Shared(state): Shared<Arc<State>>, request: HttpRequest, next: Next) -> Response {
    let method = request.method().to_string();
    let path = request
        .uri()
        .path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default();
    let plain = request.uri().path().to_owned();
    let websocket = plain.ends_with(socket::PATH);
    let fault = state.fault(&plain, |what| match what {
        What::Status(_) | What::Delay(_) => true,
        What::RetryAfter(_) | What::Html | What::Truncate => !websocket,
        _ => false,
    });
    let versioned = VERSIONS
        .iter()
        .any(|version| plain.starts_with(&format!("{}/api/{version}/", state.fleet.prefix)));
    let response = match fault {
        _ if !versioned => rest::unknown().await,
        Some(What::Status(status)) => reply::of_status(status),
        Some(What::RetryAfter(seconds)) => {
            ([("retry-after", seconds.to_string())], reply::of_status(429)).into_response()
        }
        Some(What::Html) => Html("<!doctype html><title>Sign in</title><p>Please sign in.").into_response(),
        Some(What::Truncate) => truncated(next.run(request).await).await,
        Some(What::Delay(ms)) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            next.run(request).await
        }
        _ => next.run(request).await,
    };
    let known = response.extensions().get::<rest::Unknown>().is_none();
    state.lock().requests.push(Request {
        method,
        path,
        status: response.status().as_u16(),
        known,
    });
    response
}

/// The first half of an answer, and then the end of the connection.
async fn truncated(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    head.headers.remove("content-length");
    let half: Result<Bytes, io::Error> = Ok(whole.slice(..whole.len() / 2));
    let parts = [half, Err(io::ErrorKind::ConnectionReset.into())];
    Response::from_parts(head, Body::from_stream(stream::iter(parts)))
}
