//! The plugin's code compiled natively, on services of this machine: what it costs without WebAssembly, without a runner and
//! without any of their checks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use jiff::Timestamp;
use step_osquery::contract::{
    ConnectError, Method, Request, Response, Services, Socket, TransportError, TransportKind,
};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::Outcome;
use crate::silence::silence;

/// Services that reach one server.
pub(crate) struct Native {
    origin: String,
    client: reqwest::Client,
    began: Instant,
    heard: Arc<AtomicUsize>,
    published: std::sync::Mutex<Vec<String>>,
}

impl Native {
    pub(crate) fn new(origin: &str) -> Outcome<Self> {
        Ok(Self {
            origin: origin.to_owned(),
            client: reqwest::Client::builder().build()?,
            began: Instant::now(),
            heard: Arc::default(),
            published: std::sync::Mutex::default(),
        })
    }

    /// The entries of targets so far.
    pub(crate) fn published(self) -> Vec<String> {
        self.published.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of answers and frames so far.
    pub(crate) fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Services for Native {
    type Socket = NativeSocket;

    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let mut builder = self
            .client
            .request(method, format!("{}{}", self.origin, request.path))
            .timeout(request.timeout)
            .header("accept", "application/json");
        if let Some(authorization) = request.authorization {
            builder = builder.header("authorization", authorization);
        }
        if let Some(body) = request.body {
            builder = builder.header("content-type", "application/json").body(body);
        }
        let response = builder.send().await.map_err(|error| broken(&error))?;
        let status = response.status().as_u16();
        let fields = response.headers().iter();
        let headers = fields.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()));
        let headers = headers.collect();
        let body = response.bytes().await.map_err(|error| broken(&error))?.to_vec();
        self.heard.fetch_add(body.len(), Ordering::Relaxed);
        Ok(Response { status, headers, body })
    }

    async fn open_session(&self, _: &str, login: Request, _: Option<&str>) -> Result<Response, TransportError> {
        self.send(login).await
    }

    async fn connect(&self, path: &str, _: Duration) -> Result<NativeSocket, ConnectError> {
        let failed = |error: &dyn std::error::Error| ConnectError::Failed(broken(error));
        let address = self.origin.trim_start_matches("http://");
        let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let url = format!("ws://{address}{path}");
        let (socket, _) = tokio_tungstenite::client_async(url, stream)
            .await
            .map_err(|error| failed(&error))?;
        Ok(NativeSocket {
            socket: Mutex::new(socket),
            heard: self.heard.clone(),
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }

    fn deadline(&self) -> Duration {
        Duration::MAX
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn publish(&self, _: &str, entry: Result<String, String>) {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.extend(entry);
    }

    silence!();
}

/// A websocket.
pub(crate) struct NativeSocket {
    socket: Mutex<WebSocketStream<TcpStream>>,
    heard: Arc<AtomicUsize>,
}

impl Socket for NativeSocket {
    async fn send(&self, json: String) -> Result<(), TransportError> {
        let sent = self.socket.lock().await.send(Message::text(json)).await;
        sent.map_err(|error| broken(&error))
    }

    async fn receive(&self, _: Duration) -> Result<Vec<String>, TransportError> {
        let mut socket = self.socket.lock().await;
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    self.heard.fetch_add(text.len(), Ordering::Relaxed);
                    return Ok(vec![text.as_str().to_owned()]);
                }
                Some(Ok(Message::Close(_))) | None => return Ok(Vec::new()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
    }

    async fn close(&self) {
        let _ = self.socket.lock().await.close(None).await;
    }
}

fn broken(error: &dyn std::error::Error) -> TransportError {
    TransportError {
        kind: TransportKind::Interrupted,
        message: error.to_string(),
    }
}
