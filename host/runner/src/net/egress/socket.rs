//! Websockets to the granted origin.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};

use super::metered::{MessageMeter, Metered};
use super::{ConnectionSlot, EgressError, GrantedServer};
use crate::limits::InFlight;

/// How long a closing handshake may take.
const CLOSING: Duration = Duration::from_secs(1);

/// How long a peer may take nothing of what is sent to it.
const STALLED: Duration = Duration::from_secs(30);

/// What is kept to be written at most, in bytes, and the largest message that is sent: it must fit in with what is there.
const UNWRITTEN: usize = 4 << 20;
const LARGEST_SENT: usize = UNWRITTEN / 2;

/// How many texts are received at once at most, and after how many bytes no more are.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// An open websocket and its place among the open connections. It can be sent to and received from at once.
#[derive(Debug)]
pub(crate) struct LiveSocket {
    server: Arc<GrantedServer>,
    sender: Mutex<SplitSink<Stream, Message>>,
    receiver: Mutex<Receiver>,
    meter: MessageMeter,
    _connection: ConnectionSlot,
}

/// What came from the peer.
enum Next {
    Text(String),
    /// Nothing that the contract knows.
    Ignored,
    End,
}

/// What the peer sends, and how that has ended: once it has failed, the stream says only that it is over.
#[derive(Debug)]
struct Receiver {
    stream: SplitStream<Stream>,
    end: Option<Result<(), EgressError>>,
}

type Stream = WebSocketStream<Metered<reqwest::Upgraded>>;

impl LiveSocket {
    pub(super) async fn open(
        server: &Arc<GrantedServer>,
        path: &str,
        headers: &[(String, String)],
        timeout: Duration,
    ) -> Result<Self, EgressError> {
        let url = server.url(path)?;
        let headers = server.headers(headers)?;
        server.count()?;
        let connection = server.connection().await?;
        let deadline = server.ends.min(Instant::now() + timeout);
        let opening = async {
            let key = generate_key();
            let response = server
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
                .map_err(|e| server.failed(e))?;
            server.measure(response.headers())?;
            let accepted = response
                .headers()
                .get("sec-websocket-accept")
                .map(HeaderValue::as_bytes)
                == Some(derive_accept_key(key.as_bytes()).as_bytes());
            if response.status() != StatusCode::SWITCHING_PROTOCOLS || !accepted {
                return Err(EgressError::Rejected {
                    server: server.origin.to_string(),
                    status: response.status().as_u16(),
                });
            }
            let upgraded = response.upgrade().await.map_err(|e| server.failed(e))?;
            let config = WebSocketConfig::default()
                .max_message_size(Some(server.body_limit))
                .max_frame_size(Some(server.body_limit))
                .max_write_buffer_size(UNWRITTEN);
            let (metered, meter) = Metered::new(upgraded, server.budget.traffic(), server.body_limit);
            let stream = WebSocketStream::from_raw_socket(metered, Role::Client, Some(config)).await;
            Ok((stream, meter))
        };
        let (socket, meter) = match tokio::time::timeout_at(deadline, opening).await {
            Ok(socket) => socket?,
            Err(_) => return Err(server.timed_out()),
        };
        let (sender, receiver) = socket.split();
        Ok(Self {
            server: server.clone(),
            sender: Mutex::new(sender),
            receiver: Mutex::new(Receiver {
                stream: receiver,
                end: None,
            }),
            meter,
            _connection: connection,
        })
    }

    /// Sends a JSON document, with values in the place of handles.
    pub(crate) async fn send(&self, json: &str) -> Result<(), EgressError> {
        let _held = self.server.arrived(json.len())?;
        let text = self.server.json(json)?;
        if text.len() > LARGEST_SENT {
            let message = format!("a message of more than {} KiB is not sent", LARGEST_SENT >> 10);
            return Err(EgressError::InvalidRequest(message));
        }
        let mut sender = self.sender.lock().await;
        // The contract has no word for a message on a websocket that may be sent twice.
        self.server.acts.fetch_add(1, Ordering::Relaxed);
        self.written(sender.send(Message::text(text.as_str()))).await
    }

    /// Waits for texts, and returns those that have arrived; none once the peer has closed.
    pub(crate) async fn receive(&self, timeout: Duration) -> Result<Vec<String>, EgressError> {
        let received = async {
            let mut receiver = self.receiver.lock().await;
            let mut texts: Vec<String> = self.first(&mut receiver).await?.into_iter().collect();
            let mut bytes = texts.iter().map(String::len).sum::<usize>();
            while !texts.is_empty() && texts.len() < BATCH && bytes < BATCH_BYTES {
                match self.next(&mut receiver).now_or_never() {
                    Some(Ok(Next::Text(text))) => {
                        bytes += text.len();
                        texts.push(text);
                    }
                    Some(Ok(Next::Ignored)) => {}
                    // The end is kept for the next time.
                    Some(Ok(Next::End) | Err(_)) | None => break,
                }
            }
            Ok(texts)
        };
        tokio::time::timeout(timeout, received)
            .await
            .unwrap_or_else(|_| Err(self.server.timed_out()))
    }

    /// Waits for the next text; returns none once the peer has closed.
    async fn first(&self, receiver: &mut Receiver) -> Result<Option<String>, EgressError> {
        loop {
            match self.next(receiver).await? {
                Next::Text(text) => return Ok(Some(text)),
                Next::End => return Ok(None),
                Next::Ignored => drop(self.meter.taken()),
            }
            // A peer that sends such without end must not keep the call from looking at its clock.
            tokio::task::consume_budget().await;
        }
    }

    /// Waits for whatever comes next.
    async fn next(&self, receiver: &mut Receiver) -> Result<Next, EgressError> {
        if let Some(end) = &receiver.end {
            return end.clone().map(|()| Next::End);
        }
        let end = match receiver.stream.next().await {
            Some(Ok(Message::Text(text))) => {
                return Ok(Next::Text(self.server.secrets.conceal_text(text.as_str().to_owned())));
            }
            // The library answers pings. A peer that does not read the answers is not read from, either.
            Some(Ok(Message::Ping(_))) => {
                // A send that is under way writes the answer, too.
                let flushed = match self.sender.try_lock() {
                    Ok(mut sender) => self.written(sender.flush()).await,
                    Err(_) => Ok(()),
                };
                match flushed {
                    Ok(()) => return Ok(Next::Ignored),
                    Err(error) => Err(error),
                }
            }
            // The contract has no binary frames.
            Some(Ok(Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => return Ok(Next::Ignored),
            Some(Ok(Message::Close(_))) | None => Ok(()),
            Some(Err(error)) => Err(self.broken(&error)),
        };
        receiver.end.insert(end).clone().map(|()| Next::End)
    }

    /// The room of the texts that were received last, to be held until the plugin has them.
    pub(crate) fn received(&self) -> InFlight {
        self.meter.taken()
    }

    /// Waits until something is written, but not for ever.
    async fn written(&self, writing: impl Future<Output = Result<(), tungstenite::Error>>) -> Result<(), EgressError> {
        match tokio::time::timeout(STALLED, writing).await {
            Ok(written) => written.map_err(|error| self.broken(&error)),
            Err(_) => Err(EgressError::Stalled {
                origin: self.server.origin.clone(),
            }),
        }
    }

    /// Closes with a closing handshake.
    pub(crate) async fn close(&self) {
        let closing = async {
            if self.sender.lock().await.send(Message::Close(None)).await.is_ok() {
                // Reading to the end lets the library finish the handshake. A receive still under way reads for us.
                if let Ok(mut receiver) = self.receiver.try_lock() {
                    while let Some(Ok(_)) = receiver.stream.next().await {}
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
                origin: self.server.origin.clone(),
                cause: error.to_string(),
            },
        }
    }
}
