//! Websockets to the granted origin.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};
use wasmtime::component::{Accessor, HasSelf, Resource};

use super::http::{failure, pairs};
use crate::bindings::playbook::plugin::http::{Failure, FailureKind, Field};
use crate::bindings::playbook::plugin::websocket::{self, ConnectFailure};
use crate::call::CallState;
use crate::egress::EgressError;

/// How long a closing handshake may take.
const CLOSING: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<reqwest::Upgraded>;

/// An open websocket. Both halves can be in use at once.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Connection(Arc<Halves>);

struct Halves {
    sender: Mutex<SplitSink<Socket, Message>>,
    receiver: Mutex<SplitStream<Socket>>,
    _permit: OwnedSemaphorePermit,
}

impl websocket::Host for CallState {}

impl websocket::HostConnection for CallState {
    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl<T: Send> websocket::HostWithStore<T> for HasSelf<CallState> {
    async fn connect(
        accessor: &Accessor<T, Self>,
        path: String,
        headers: Vec<Field>,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<Resource<Connection>, ConnectFailure>> {
        let egress = accessor.with(|mut access| access.get().egress.clone());
        let timeout = Duration::from_millis(timeout_ms.into());
        match egress.connect(&path, &pairs(headers), timeout).await {
            Ok(upgraded) => {
                let (sender, receiver) = upgraded.socket.split();
                let halves = Halves {
                    sender: Mutex::new(sender),
                    receiver: Mutex::new(receiver),
                    _permit: upgraded.permit,
                };
                let connection = Connection(Arc::new(halves));
                Ok(Ok(accessor.with(|mut access| access.get().table.push(connection))?))
            }
            Err(EgressError::Rejected { status, .. }) => Ok(Err(ConnectFailure::Rejected(status))),
            Err(error) => Ok(Err(ConnectFailure::Failed(failure(&error)))),
        }
    }
}

impl<T: Send> websocket::HostConnectionWithStore<T> for HasSelf<CallState> {
    async fn send(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        json: String,
    ) -> wasmtime::Result<Result<(), Failure>> {
        let (egress, halves) = open(accessor, &connection)?;
        let text = match egress.reveal_json(&json) {
            Ok(text) => text,
            Err(error) => return Ok(Err(failure(&error))),
        };
        egress.act();
        let sent = halves.sender.lock().await.send(Message::text(text)).await;
        Ok(sent.map_err(|error| broken(&egress, &error)))
    }

    async fn receive(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<Result<Option<String>, Failure>> {
        let (egress, halves) = open(accessor, &connection)?;
        let mut receiver = halves.receiver.lock().await;
        loop {
            match receiver.next().await {
                Some(Ok(Message::Text(text))) => return Ok(Ok(Some(text.as_str().to_owned()))),
                // Pings are answered by the library; the contract has no binary frames.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Ok(Ok(None)),
                Some(Err(error)) => return Ok(Err(broken(&egress, &error))),
            }
        }
    }

    async fn close(accessor: &Accessor<T, Self>, connection: Resource<Connection>) -> wasmtime::Result<()> {
        let (_, halves) = open(accessor, &connection)?;
        let closing = async {
            if halves.sender.lock().await.send(Message::Close(None)).await.is_ok() {
                // Reading to the end lets the library finish the handshake. A receive still under way reads for us.
                if let Ok(mut receiver) = halves.receiver.try_lock() {
                    while let Some(Ok(_)) = receiver.next().await {}
                }
            }
        };
        // A peer that does not answer is left; the connection ends when the guest drops it.
        let _ = tokio::time::timeout(CLOSING, closing).await;
        Ok(())
    }
}

fn open<T: Send>(
    accessor: &Accessor<T, HasSelf<CallState>>,
    connection: &Resource<Connection>,
) -> wasmtime::Result<(crate::egress::Egress, Arc<Halves>)> {
    accessor.with(|mut access| {
        let state = access.get();
        Ok((state.egress.clone(), state.table.get(connection)?.0.clone()))
    })
}

fn broken(egress: &crate::egress::Egress, error: &tungstenite::Error) -> Failure {
    if let tungstenite::Error::Capacity(error) = error {
        return Failure {
            kind: FailureKind::TooLarge,
            message: format!("a websocket message is too large: {error}"),
        };
    }
    failure(&egress.interrupted(error.to_string()))
}
