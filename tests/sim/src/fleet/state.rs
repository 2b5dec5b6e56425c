//! What a running server remembers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::description::Fleet;
use super::live::HostAnswer;
use super::reply;
use crate::front::Front;
use crate::host::{Enrolled, Hosts};

/// The id of the first host.
const FIRST_HOST: u64 = 101;

/// A campaign: a live query that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// Its id.
    pub id: u64,
    /// The statement.
    pub sql: String,
    /// The ids of its hosts.
    pub hosts: Vec<u64>,
    /// Whether hosts still get the statement.
    pub open: bool,
    /// How many results were streamed.
    pub results: usize,
}

pub(super) struct State {
    pub(super) fleet: Fleet,
    pub(super) hosts: Arc<Hosts>,
    pub(super) front: Arc<Front>,
    /// Told whenever a campaign changes.
    pub(super) changed: Notify,
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) campaigns: Vec<Campaign>,
    pub(super) logins: usize,
    /// Each token and whose it is.
    pub(super) tokens: HashMap<String, u64>,
    /// Answers that wait for somebody to listen, by campaign, and whose campaign it is.
    pub(super) streams: HashMap<u64, (u64, mpsc::UnboundedReceiver<HostAnswer>)>,
}

impl State {
    pub(super) fn new(fleet: Fleet) -> Result<Self, String> {
        let inner = Inner {
            tokens: HashMap::from([(fleet.token.clone(), 1)]),
            ..Inner::default()
        };
        Ok(Self {
            hosts: Arc::new(Hosts::enrol(&fleet.hosts, FIRST_HOST)?),
            front: Front::new(&fleet.faults, reply::of_status),
            fleet,
            changed: Notify::new(),
            inner: Mutex::new(inner),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn host(&self, id: u64) -> Option<&Enrolled> {
        self.hosts.get(id)
    }

    /// Whether the server has the names of 4.82.0 and later.
    pub(super) fn has_reports(&self) -> bool {
        let mut parts = self
            .fleet
            .version
            .split('.')
            .map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next(), parts.next()) >= (Some(4), Some(82))
    }

    /// Ends a campaign: its hosts get the statement no longer.
    pub(super) fn close(&self, id: u64) {
        let mut inner = self.lock();
        inner.streams.remove(&id);
        if let Some(campaign) = inner.campaigns.iter_mut().find(|campaign| campaign.id == id) {
            campaign.open = false;
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    pub(super) fn campaign(&self, id: u64, change: impl FnOnce(&mut Campaign)) {
        if let Some(campaign) = self.lock().campaigns.iter_mut().find(|campaign| campaign.id == id) {
            change(campaign);
        }
    }
}
