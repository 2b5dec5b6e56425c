//! The server of the counters. Whoever reaches it may send nothing, or read nothing, and keeps nobody else from reading.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use playbook_host::text::without_credentials;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};

use super::counters::Metrics;
use crate::error::CommandError;

/// How many connections there are at once. Another one takes the place of the oldest, since whoever asks is served in a moment.
const CONNECTIONS: usize = 64;

/// How long a request may take to come, in all.
const REQUEST: Duration = Duration::from_secs(5);

/// How long a connection may take, the reading of the answer included.
const CONNECTION: Duration = Duration::from_secs(15);

/// How large a request may be, in bytes.
const HEADERS: usize = 8 << 10;

/// How long nothing is accepted when the system has no more connections to give.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// A server of counters. It stops when it is dropped.
pub(crate) struct Serving {
    /// Where.
    pub(crate) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Serves the counters at `/metrics` until the result is dropped. An address that is only a port is one of this machine's own.
pub(crate) async fn serve(metrics: Metrics, address: &str) -> Result<Serving, CommandError> {
    let address: SocketAddr = match address.trim_start_matches(':').parse::<u16>() {
        Ok(port) => (Ipv4Addr::LOCALHOST, port).into(),
        Err(_) => address.parse().map_err(|_| {
            let shown = without_credentials(address);
            CommandError::new(format!("`--metrics {shown}` is not an address"))
                .hint("for example 9464, which is 127.0.0.1:9464, or 0.0.0.0:9464")
        })?,
    };
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.map_err(|error| CommandError::new(format!("cannot serve metrics at {address}: {error}")))?;
    let address = listener.local_addr().unwrap_or(address);
    let serving = tokio::spawn(accept(listener, metrics));
    Ok(Serving { address, serving })
}

async fn accept(listener: TcpListener, metrics: Metrics) {
    let mut open = Open::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => open.add(tokio::spawn(answer(stream, metrics.clone())).abort_handle()),
            Err(error) => {
                tracing::debug!(%error, "a connection to the counters was not accepted");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, metrics: Metrics) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(&request, &metrics);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .max_buf_size(HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Whoever is too slow, or speaks no HTTP, gets no answer.
    let _ = tokio::time::timeout(CONNECTION, connection).await;
}

fn respond(request: &Request<Incoming>, metrics: &Metrics) -> Response<String> {
    let status = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            let response = Response::builder().header(CONTENT_TYPE, kind);
            return response.body(metrics.text()).expect("the header is valid");
        }
        (_, "/metrics") => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::NOT_FOUND,
    };
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    response
}

/// The connections that are open, the oldest first. They are closed when this is dropped.
#[derive(Default)]
struct Open(VecDeque<AbortHandle>);

impl Open {
    fn add(&mut self, connection: AbortHandle) {
        self.0.retain(|open| !open.is_finished());
        if self.0.len() >= CONNECTIONS
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.abort();
        }
        self.0.push_back(connection);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}
