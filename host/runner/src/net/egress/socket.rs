//! Websockets to the granted origin.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};

use super::{EgressError, Granted};

/// How long a closing handshake may take.
const CLOSING: Duration = Duration::from_secs(1);

/// An open websocket and its place among the open connections. It can be sent to and received from at once.
#[derive(Debug)]
pub(crate) struct LiveSocket {
    granted: Arc<Granted>,
    sender: Mutex<SplitSink<WebSocketStream<reqwest::Upgraded>, Message>>,
    receiver: Mutex<SplitStream<WebSocketStream<reqwest::Upgraded>>>,
    _permit: OwnedSemaphorePermit,
}

impl LiveSocket {
    pub(super) async fn open(
        granted: &Arc<Granted>,
        path: &str,
        headers: &[(String, String)],
        timeout: Duration,
    ) -> Result<Self, EgressError> {
        let url = granted.url(path)?;
        let headers = granted.headers(headers)?;
        granted.count()?;
        let permit = granted.permit().await;
        let deadline = granted.ends.min(Instant::now() + timeout);
        let opening = async {
            let key = generate_key();
            let response = granted
                .client
                .websocket
                .get(url)
                .headers(headers)
                .header("connection", "Upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-version", "13")
                .header("sec-websocket-key", &key)
                .send()
                .await
                .map_err(|e| granted.failed(e))?;
            granted.measure(response.headers())?;
            let accepted = response
                .headers()
                .get("sec-websocket-accept")
                .map(HeaderValue::as_bytes)
                == Some(derive_accept_key(key.as_bytes()).as_bytes());
            if response.status() != StatusCode::SWITCHING_PROTOCOLS || !accepted {
                return Err(EgressError::Rejected {
                    server: granted.origin.to_string(),
                    status: response.status().as_u16(),
                });
            }
            let upgraded = response.upgrade().await.map_err(|e| granted.failed(e))?;
            let config = WebSocketConfig::default()
                .max_message_size(Some(granted.body_limit))
                .max_frame_size(Some(granted.body_limit));
            Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await)
        };
        let socket = match tokio::time::timeout_at(deadline, opening).await {
            Ok(socket) => socket?,
            Err(_) => return Err(granted.timed_out()),
        };
        let (sender, receiver) = socket.split();
        Ok(Self {
            granted: granted.clone(),
            sender: Mutex::new(sender),
            receiver: Mutex::new(receiver),
            _permit: permit,
        })
    }

    /// Sends a JSON document, with values in the place of handles.
    pub(crate) async fn send(&self, json: &str) -> Result<(), EgressError> {
        let text = self.granted.json(json)?;
        // The contract has no word for a message on a websocket that may be sent twice.
        self.granted.acts.fetch_add(1, Ordering::Relaxed);
        let sent = self.sender.lock().await.send(Message::text(text.as_str())).await;
        sent.map_err(|error| self.broken(&error))
    }

    /// Waits for the next text; returns none once the peer has closed.
    pub(crate) async fn receive(&self) -> Result<Option<String>, EgressError> {
        let mut receiver = self.receiver.lock().await;
        loop {
            match receiver.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Ok(Some(self.granted.secrets.conceal_text(text.as_str().to_owned())));
                }
                // Pings are answered by the library; the contract has no binary frames.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                Some(Err(error)) => return Err(self.broken(&error)),
            }
        }
    }

    /// Closes with a closing handshake.
    pub(crate) async fn close(&self) {
        let closing = async {
            if self.sender.lock().await.send(Message::Close(None)).await.is_ok() {
                // Reading to the end lets the library finish the handshake. A receive still under way reads for us.
                if let Ok(mut receiver) = self.receiver.try_lock() {
                    while let Some(Ok(_)) = receiver.next().await {}
                }
            }
        };
        // A peer that does not answer is left; the connection ends when the guest drops it.
        let _ = tokio::time::timeout(CLOSING, closing).await;
    }

    fn broken(&self, error: &tungstenite::Error) -> EgressError {
        match error {
            tungstenite::Error::Capacity(error) => EgressError::FrameTooLarge(error.to_string()),
            error => EgressError::Interrupted {
                origin: self.granted.origin.clone(),
                cause: error.to_string(),
            },
        }
    }
}
