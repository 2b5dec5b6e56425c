//! The nodes that have enrolled. Unlike the description's hosts they come, change and go while the server runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::host::{Enrolled, Host, Workers};
use crate::osquery::Row;

/// A node, with what osctrl knows of it.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) enrolled: Enrolled,
    pub(super) created_at: Timestamp,
}

impl Node {
    /// Its uuid as osctrl keeps it.
    pub(super) fn uuid(&self) -> String {
        self.enrolled.facts.uuid.to_uppercase()
    }

    /// Whether a name means this node: its uuid in any case, or a name exactly.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.uuid() == name.to_uppercase()
            || self.enrolled.facts.hostname == name
            || self.enrolled.computer_name == name
    }

    /// Its family of platforms, as the server groups them.
    pub(super) fn family(&self) -> &'static str {
        match self.enrolled.host.platform.as_str() {
            "darwin" => "darwin",
            "windows" => "windows",
            "freebsd" | "" => "other",
            _ => "linux",
        }
    }
}

/// All nodes, in the order of their ids.
pub(super) struct Registry {
    inner: Mutex<Inner>,
    workers: Workers,
}

#[derive(Default)]
struct Inner {
    nodes: Vec<Arc<Node>>,
    /// The last id that was given. Ids are not given again.
    last: u64,
}

impl Registry {
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::default(),
            workers: Workers::default(),
        }
    }

    /// Enrols what a host describes. Returns the id of the first node.
    pub(super) fn enrol(&self, host: &Host, created_at: Timestamp) -> Result<u64, String> {
        let mut inner = self.lock();
        let first = inner.last + 1;
        host.check()?;
        for number in 1..=host.count {
            inner.last += 1;
            let enrolled = Enrolled::new(host, number, inner.last);
            inner.nodes.push(Arc::new(Node { enrolled, created_at }));
        }
        Ok(first)
    }

    /// Forgets a node. Tells whether there was one.
    pub(super) fn remove(&self, id: u64) -> bool {
        let mut inner = self.lock();
        let before = inner.nodes.len();
        inner.nodes.retain(|node| node.enrolled.id != id);
        inner.nodes.len() < before
    }

    /// Changes a node. Tells whether there is one.
    pub(super) fn change(&self, id: u64, change: impl FnOnce(&mut Node)) -> bool {
        let mut inner = self.lock();
        let node = inner.nodes.iter_mut().find(|node| node.enrolled.id == id);
        node.map(|node| change(Arc::make_mut(node))).is_some()
    }

    pub(super) fn get(&self, id: u64) -> Option<Arc<Node>> {
        let inner = self.lock();
        let place = inner.nodes.binary_search_by_key(&id, |node| node.enrolled.id).ok()?;
        Some(inner.nodes[place].clone())
    }

    pub(super) fn all(&self) -> Vec<Arc<Node>> {
        self.lock().nodes.clone()
    }

    /// Runs a statement on a node, off the threads that serve.
    pub(super) async fn run(&self, node: Arc<Node>, sql: &str) -> Result<Vec<Row>, String> {
        let sql = sql.to_owned();
        self.workers.run(move || node.enrolled.answer(&sql)).await
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
