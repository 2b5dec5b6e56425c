//! What a running server remembers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Notify;

use super::description::Osctrl;
use super::query::Query;
use super::registry::Registry;
use super::users;
use crate::front::Front;
use crate::login_limit::LoginLimit;

/// When the nodes of the description enrolled.
const ENROLLED: &str = "2026-06-02T07:00:00.1Z";

/// What a running osctrl server remembers.
pub struct State {
    pub(super) osctrl: Osctrl,
    pub(super) nodes: Registry,
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
    pub(super) login_limit: LoginLimit,
    /// The one token of each user.
    pub(super) tokens: HashMap<String, String>,
    /// Whether answers are stored where the API reads them.
    pub(super) stores_answers: bool,
    last_query: u64,
    last_answer: u64,
}

/// What somebody asks of nodes.
pub(super) struct Asked {
    pub(super) sql: String,
    pub(super) creator: String,
    pub(super) request: Value,
    pub(super) nodes: Vec<u64>,
    pub(super) targets: Vec<(String, String)>,
    pub(super) hidden: bool,
    /// When it ends, in hours; never, if 0.
    pub(super) hours: i64,
    pub(super) scripted: bool,
}

impl State {
    pub(super) fn new(osctrl: Osctrl) -> Result<Self, String> {
        let inner = Inner {
            tokens: HashMap::from([("hunter-svc".to_owned(), osctrl.token.clone())]),
            stores_answers: osctrl.stores_answers,
            ..Inner::default()
        };
        let nodes = Registry::new();
        for host in &osctrl.hosts {
            nodes.enrol(host, ENROLLED.parse().expect("the constant is a time"))?;
        }
        let front = Front::new(&osctrl.faults, users::of_status);
        front.clock.advance(osctrl.clock_offset_seconds);
        Ok(Self {
            nodes,
            front,
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

    /// Makes a query. Returns its name.
    pub(super) fn add_query(&self, asked: Asked) -> String {
        let now = self.front.clock.now();
        let mut inner = self.lock();
        inner.last_query += 1;
        let id = 40 + inner.last_query;
        let name = format!("query_{id:032x}");
        inner.queries.push(Query {
            id,
            name: name.clone(),
            creator: asked.creator,
            created_at: now,
            sql: asked.sql,
            request: asked.request,
            expected: asked.nodes.len(),
            nodes: asked.nodes,
            targets: asked.targets,
            executions: 0,
            errors: 0,
            hidden: asked.hidden,
            completed: false,
            deleted: false,
            expired: false,
            active: true,
            expiration: (asked.hours != 0).then(|| {
                now.saturating_add(SignedDuration::from_hours(asked.hours))
                    .unwrap_or(Timestamp::MAX)
            }),
            scripted: asked.scripted,
            answered: [].into(),
            answers: Vec::new(),
            late: Vec::new(),
        });
        drop(inner);
        self.changed.notify_waiters();
        name
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

impl Inner {
    /// The id of the next stored answer.
    pub(super) fn next_answer(&mut self) -> u64 {
        self.last_answer += 1;
        900 + self.last_answer
    }
}
