//! What stands before the routes of either server: a listener whose connections can break, a log of the requests, faults.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request as HttpRequest, State};
use axum::http::StatusCode;
use axum::http::header::DATE;
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::serve::{IncomingStream, Listener};
use futures::stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::fault::{Fault, What};

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query as they came.
    pub path: String,
    /// The status of the answer; none while there is no answer, or if there never was one.
    pub status: Option<u16>,
    /// Whether the server has a route for the path.
    pub known: bool,
}

/// Marks an answer to a path that the server does not have.
#[derive(Clone, Copy)]
pub(crate) struct Unknown;

/// The clock, the log and the faults of a server.
#[derive(Debug)]
pub(crate) struct Front {
    /// Every answer has its time.
    pub(crate) clock: Clock,
    requests: Mutex<Vec<Request>>,
    faults: Mutex<Vec<Fault>>,
    /// The body that the server has for a status.
    of_status: fn(u16) -> Response,
}

impl Front {
    pub(crate) fn new(faults: &[Fault], of_status: fn(u16) -> Response) -> Arc<Self> {
        Arc::new(Self {
            clock: Clock::default(),
            requests: Mutex::default(),
            faults: Mutex::new(faults.to_vec()),
            of_status,
        })
    }

    /// All requests so far, in the order in which they arrived.
    pub(crate) fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Paths that were asked for and do not exist.
    pub(crate) fn unknown_paths(&self) -> Vec<String> {
        let requests = self.requests();
        let unknown = requests.iter().filter(|request| !request.known);
        unknown.map(|request| request.path.clone()).collect()
    }

    /// What goes wrong from now on, and nothing else.
    pub(crate) fn set_faults(&self, faults: Vec<Fault>) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// Takes a fault that concerns this path and query and that `wanted` picks.
    pub(crate) fn fault(&self, path: &str, query: &str, wanted: impl Fn(&What) -> bool) -> Option<What> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = faults
            .iter_mut()
            .find(|fault| fault.concerns(path, query) && wanted(&fault.what))?;
        fault.times = fault.times.map(|times| times - 1);
        Some(fault.what.clone())
    }

    /// Serves these routes on a free port of the loopback address. Returns the origin.
    pub(crate) async fn serve(self: &Arc<Self>, routes: Router) -> io::Result<(String, JoinHandle<()>)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let routes = routes.layer(middleware::from_fn_with_state(self.clone(), watch));
        let serving = tokio::spawn(async move {
            let service = routes.into_make_service_with_connect_info::<Breaker>();
            // Only a listener that breaks ends this; its clients then see a closed port.
            let _ = axum::serve(Breakable(listener), service).await;
        });
        Ok((origin, serving))
    }
}

/// Writes the request down, and lets go wrong what should.
async fn watch(
    State(front): State<Arc<Front>>,
    ConnectInfo(breaker): ConnectInfo<Breaker>,
    request: HttpRequest,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let websocket = request.headers().contains_key("upgrade");
    let place = {
        let mut requests = front.requests();
        requests.push(Request {
            method: request.method().to_string(),
            path: request
                .uri()
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default(),
            status: None,
            known: true,
        });
        requests.len() - 1
    };
    let fault = front.fault(&path, &query, |what| what.concerns_any_answer(websocket));
    let mut response = match fault {
        Some(What::Status(status)) => (front.of_status)(status),
        Some(What::RetryAfter(seconds)) => {
            ([("retry-after", seconds.to_string())], (front.of_status)(429)).into_response()
        }
        Some(What::Html) => Html("<!doctype html><title>Sign in</title><p>Please sign in.").into_response(),
        Some(What::Redirect(to)) => Redirect::temporary(&to).into_response(),
        Some(What::Nonsense) => axum::Json(serde_json::json!({"items": 7, "hosts": "all", "token": 1})).into_response(),
        Some(What::Reset) => {
            breaker.0.store(true, Ordering::Release);
            StatusCode::OK.into_response()
        }
        Some(What::Truncate) => halves(next.run(request).await, None).await,
        Some(What::SlowBody(ms)) => halves(next.run(request).await, Some(Duration::from_millis(ms))).await,
        Some(What::Delay(ms)) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            next.run(request).await
        }
        _ => next.run(request).await,
    };
    // It would be the real time otherwise.
    response.headers_mut().insert(DATE, front.clock.date());
    let mut requests = front.requests();
    requests[place].status = Some(response.status().as_u16());
    requests[place].known = response.extensions().get::<Unknown>().is_none();
    drop(requests);
    response
}

/// The first half of an answer, and then either the end of the connection or, after a pause, the second half.
async fn halves(response: Response, pause: Option<Duration>) -> Response {
    let (mut head, body) = response.into_parts();
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    head.headers.remove("content-length");
    let (first, second) = (whole.slice(..whole.len() / 2), whole.slice(whole.len() / 2..));
    let parts = stream::unfold(0, move |part| {
        let (first, second) = (first.clone(), second.clone());
        async move {
            let next: Result<Bytes, io::Error> = match (part, pause) {
                (0, _) => Ok(first),
                (1, Some(pause)) => {
                    tokio::time::sleep(pause).await;
                    Ok(second)
                }
                (1, None) => Err(io::ErrorKind::ConnectionReset.into()),
                _ => return None,
            };
            Some((next, part + 1))
        }
    });
    Response::from_parts(head, Body::from_stream(parts))
}

/// Breaks one connection when it is set.
#[derive(Debug, Clone, Default)]
struct Breaker(Arc<AtomicBool>);

/// A listener of connections that can break.
struct Breakable(TcpListener);

/// A connection that is reset once its breaker is set.
struct Connection {
    stream: TcpStream,
    breaker: Breaker,
}

impl Listener for Breakable {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.0).await;
        // As Go's servers have it: a small frame does not wait for the one before it to be acknowledged.
        let _ = stream.set_nodelay(true);
        let breaker = Breaker::default();
        (Connection { stream, breaker }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Breakable>> for Breaker {
    fn connect_info(incoming: IncomingStream<'_, Breakable>) -> Self {
        incoming.io().breaker.clone()
    }
}

impl Connection {
    fn check(&self) -> io::Result<()> {
        if self.breaker.0.load(Ordering::Acquire) {
            // Closing with lingering off sends a reset.
            self.stream.set_zero_linger()?;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
