//! The services of a poll, on the contract's imports.

use std::time::Duration;

use futures::lock::Mutex;
use jiff::Timestamp;
use wit_bindgen::rt::async_support::StreamWriter;

use super::bindings::exports::playbook::plugin::connector as wit;
use super::bindings::playbook::plugin::{state, websocket};
use super::convert::event_of;
use super::host_services::HostServices;
use crate::contract::{Batch, Closed, ConnectError, Level, PollServices, Request, Response, Services, TransportError};

/// The services of the host that runs this component, and the stream that batches go to.
pub(super) struct HostPollServices(Mutex<StreamWriter<wit::Batch>>);

impl HostPollServices {
    /// Delivers batches to this stream.
    pub(super) fn new(batches: StreamWriter<wit::Batch>) -> Self {
        Self(Mutex::new(batches))
    }
}

impl Services for HostPollServices {
    type Socket = websocket::Connection;

    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        HostServices.send(request).await
    }

    async fn open_session(
        &self,
        user: &str,
        login: Request,
        refused: Option<&str>,
    ) -> Result<Response, TransportError> {
        HostServices.open_session(user, login, refused).await
    }

    async fn connect(&self, path: &str, timeout: Duration) -> Result<Self::Socket, ConnectError> {
        HostServices.connect(path, timeout).await
    }

    fn now(&self) -> Timestamp {
        HostServices.now()
    }

    fn monotonic(&self) -> Duration {
        HostServices.monotonic()
    }

    fn deadline(&self) -> Duration {
        HostServices.deadline()
    }

    async fn sleep(&self, duration: Duration) {
        HostServices.sleep(duration).await;
    }

    fn log(&self, level: Level, message: &str) {
        HostServices.log(level, message);
    }

    fn progress(&self, done: usize, total: usize, message: &str) {
        HostServices.progress(done, total, message);
    }

    // A poll has no targets.
    fn publish(&self, _: &str, _: Result<String, String>) {}

    async fn cancellation(&self) {
        HostServices.cancellation().await;
    }
}

impl PollServices for HostPollServices {
    async fn deliver(&self, batch: Batch) -> Result<(), Closed> {
        let batch = wit::Batch {
            events: batch.events.into_iter().map(event_of).collect(),
            changes: batch
                .changes
                .into_iter()
                .map(|change| wit::Change {
                    key: change.key,
                    value: change.value,
                })
                .collect(),
        };
        // One batch at a time: the next one is made while this one is taken.
        match self.0.lock().await.write_one(batch).await {
            None => Ok(()),
            Some(_) => Err(Closed),
        }
    }

    async fn recall(&self, keys: Vec<String>) -> Vec<Option<String>> {
        state::get(keys).await
    }

    async fn entries(&self, prefix: &str, after: Option<String>, limit: u32) -> Vec<(String, String)> {
        let entries = state::entries(prefix.to_owned(), after, limit).await;
        entries.into_iter().map(|entry| (entry.key, entry.value)).collect()
    }
}
