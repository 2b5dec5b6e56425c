//! A running server, whatever it simulates.

use std::io;
use std::sync::Arc;

use axum::Router;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::fault::Fault;
use crate::front::{Front, Request};

/// A running server with the state `S`. It stops when it is dropped.
pub struct Server<S> {
    pub(crate) state: Arc<S>,
    pub(crate) front: Arc<Front>,
    url: String,
    serving: JoinHandle<()>,
}

impl<S> Server<S> {
    /// Serves these routes on a free port of the loopback address. `prefix` is the part of the URL before them.
    pub(crate) async fn serve(state: Arc<S>, front: Arc<Front>, routes: Router, prefix: &str) -> io::Result<Self> {
        let (origin, serving) = front.serve(routes).await?;
        let url = format!("{origin}{prefix}");
        Ok(Self {
            state,
            front,
            url,
            serving,
        })
    }

    /// Its address, with the prefix.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All requests so far, in the order in which they arrived.
    pub fn requests(&self) -> Vec<Request> {
        self.front.requests().clone()
    }

    /// Requests for paths that a server of this version does not have.
    pub fn unknown_paths(&self) -> Vec<String> {
        self.front.unknown_paths()
    }

    /// What goes wrong from now on, and nothing else.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.front.set_faults(faults);
    }
}

impl<S> Drop for Server<S> {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Returns once `done` holds. It is looked at anew whenever something has `changed`.
pub(crate) async fn until(changed: &Notify, done: impl Fn() -> bool) {
    loop {
        let next = changed.notified();
        if done() {
            return;
        }
        next.await;
    }
}
