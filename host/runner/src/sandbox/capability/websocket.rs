//! Websockets to the granted origin.

use std::sync::Arc;

use wasmtime::component::{Accessor, HasSelf, Resource};

use super::http::{failure, pairs};
use super::patience;
use crate::sandbox::bindings::playbook::plugin::http::{Failure, Field};
use crate::sandbox::bindings::playbook::plugin::websocket::{self, ConnectFailure};
use crate::sandbox::call_state::{CallState, lower, waiting};
use crate::sandbox::connection::Connection;
use crate::sandbox::wire::Socket;

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
        timeout_ms: u64,
    ) -> wasmtime::Result<Result<Resource<Connection>, ConnectFailure>> {
        let _waiting = waiting(accessor)?;
        let wire = accessor.with(|mut access| access.get().wire.clone());
        match wire.connect(&path, &pairs(headers), patience(timeout_ms)).await {
            Ok(socket) => {
                let connection = Connection(Arc::new(socket));
                Ok(Ok(accessor.with(|mut access| access.get().table.push(connection))?))
            }
            Err(error) => Ok(Err(match error.rejected_status() {
                Some(status) => ConnectFailure::Rejected(status),
                None => ConnectFailure::Failed(failure(error)?),
            })),
        }
    }
}

impl<T: Send> websocket::HostConnectionWithStore<T> for HasSelf<CallState> {
    async fn send(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        json: String,
    ) -> wasmtime::Result<Result<(), Failure>> {
        let _waiting = waiting(accessor)?;
        match socket(accessor, &connection)?.send(&json).await {
            Ok(()) => Ok(Ok(())),
            Err(error) => Ok(Err(failure(error)?)),
        }
    }

    async fn receive(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        timeout_ms: u64,
    ) -> wasmtime::Result<Result<Vec<String>, Failure>> {
        let _waiting = waiting(accessor)?;
        let socket = socket(accessor, &connection)?;
        match socket.receive(patience(timeout_ms)).await {
            Ok(texts) => {
                lower(accessor, socket.received());
                Ok(Ok(texts))
            }
            Err(error) => Ok(Err(failure(error)?)),
        }
    }

    async fn close(accessor: &Accessor<T, Self>, connection: Resource<Connection>) -> wasmtime::Result<()> {
        let _waiting = waiting(accessor)?;
        socket(accessor, &connection)?.close().await;
        Ok(())
    }
}

fn socket<T: Send>(
    accessor: &Accessor<T, HasSelf<CallState>>,
    connection: &Resource<Connection>,
) -> wasmtime::Result<Arc<Socket>> {
    accessor.with(|mut access| Ok(access.get().table.get(connection)?.0.clone()))
}
