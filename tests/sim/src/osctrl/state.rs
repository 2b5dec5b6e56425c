//! What a running server remembers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Notify;

use super::description::Osctrl;
use super::users;
use crate::front::Front;
use crate::host::{Enrolled, Hosts};

/// A distributed query.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "the flags that the real server keeps")]
pub struct Query {
    /// Its number, which no route takes.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The statement.
    pub sql: String,
    /// The body of the request that made it, as it came.
    pub request: Value,
    /// The nodes it is for, one entry each time they were selected.
    pub nodes: Vec<u64>,
    /// What selected them: type and value.
    pub targets: Vec<(String, String)>,
    /// How many answers are expected.
    pub expected: usize,
    /// How many succeeded.
    pub executions: usize,
    /// How many failed.
    pub errors: usize,
    /// Whether it has ended because every node has answered.
    pub completed: bool,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Whether it was expired.
    pub expired: bool,
    pub(super) active: bool,
    pub(super) created_at: Timestamp,
    pub(super) expiration: Option<Timestamp>,
    pub(super) answers: Vec<Answer>,
    /// Selections that have not been answered.
    pub(super) pending: usize,
}

impl Query {
    /// Whether nodes still get it.
    pub fn is_delivered(&self) -> bool {
        self.active && !self.expired && self.pending > 0
    }
}

/// A stored answer of a node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) id: u64,
    pub(super) created_at: Timestamp,
    pub(super) uuid: String,
    pub(super) status: i32,
    pub(super) data: String,
}

pub(super) struct State {
    pub(super) osctrl: Osctrl,
    pub(super) hosts: Arc<Hosts>,
    pub(super) front: Arc<Front>,
    /// Told whenever a query changes.
    pub(super) changed: Notify,
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) queries: Vec<Query>,
    /// Logins that succeeded.
    pub(super) logins: usize,
    /// When somebody tried to log in.
    pub(super) attempts: Vec<std::time::Instant>,
    /// The one token of each user.
    pub(super) tokens: HashMap<String, String>,
    pub(super) last_answer: u64,
}

impl State {
    pub(super) fn new(osctrl: Osctrl) -> Result<Self, String> {
        let inner = Inner {
            tokens: HashMap::from([("hunter-svc".to_owned(), osctrl.token.clone())]),
            ..Inner::default()
        };
        Ok(Self {
            hosts: Arc::new(Hosts::enrol(&osctrl.hosts, 1)?),
            front: Front::new(&osctrl.faults, users::of_status),
            osctrl,
            changed: Notify::new(),
            inner: Mutex::new(inner),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server is of this version or a later one.
    pub(super) fn is_at_least(&self, minor: u32, patch: u32) -> bool {
        let mut parts = self.osctrl.version.split('.').skip(1);
        let mut next = || parts.next().and_then(|part| part.parse::<u32>().ok()).unwrap_or(0);
        (next(), next()) >= (minor, patch)
    }

    /// Whether a path names the environment: by name or by uuid, exactly.
    pub(super) fn is_environment(&self, name: &str) -> bool {
        name == self.osctrl.environment || name == self.osctrl.environment_uuid
    }

    /// Changes a query and tells who waits for that.
    pub(super) fn change<T>(&self, name: &str, change: impl FnOnce(&mut Query) -> T) -> Option<T> {
        let mut inner = self.lock();
        let changed = inner.queries.iter_mut().find(|query| query.name == name).map(change);
        drop(inner);
        self.changed.notify_waiters();
        changed
    }
}

/// A node's uuid as osctrl keeps it.
pub(super) fn uuid(enrolled: &Enrolled) -> String {
    enrolled.facts.uuid.to_uppercase()
}
