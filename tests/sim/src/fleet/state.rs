//! What a running server remembers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, mpsc};

use super::description::{Fault, Fleet, Host, What};
use super::live::HostAnswer;
use crate::osquery::Facts;

/// Statements run at once: they are the only real work here.
const RUNNING: usize = 2;

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query as they came.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// Whether a route exists for the path.
    pub known: bool,
}

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

/// A host with its id.
#[derive(Debug)]
pub(super) struct Enrolled {
    pub(super) id: u64,
    pub(super) serial: String,
    pub(super) computer_name: String,
    pub(super) facts: Facts,
    pub(super) host: Host,
}

pub(super) struct State {
    pub(super) fleet: Fleet,
    pub(super) hosts: Vec<Enrolled>,
    pub(super) running: Semaphore,
    /// Told whenever a campaign changes.
    pub(super) changed: Notify,
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) requests: Vec<Request>,
    pub(super) campaigns: Vec<Campaign>,
    pub(super) logins: usize,
    /// Each token and whose it is.
    pub(super) tokens: HashMap<String, u64>,
    /// Answers that wait for somebody to listen, by campaign, and whose campaign it is.
    pub(super) streams: HashMap<u64, (u64, mpsc::UnboundedReceiver<HostAnswer>)>,
    faults: Vec<Fault>,
}

impl State {
    pub(super) fn new(fleet: Fleet) -> Self {
        let mut hosts = Vec::new();
        for host in &fleet.hosts {
            for number in 1..=host.count {
                let id = 101 + hosts.len() as u64;
                let hostname = host.hostname.replace("{n}", &number.to_string());
                let uuid = host
                    .uuid
                    .clone()
                    .unwrap_or_else(|| format!("0A1B2C3D-0000-4000-8000-{id:012}"));
                hosts.push(Enrolled {
                    id,
                    serial: host.serial.clone().unwrap_or_else(|| format!("SN{id:06}")),
                    computer_name: host.computer_name.clone().unwrap_or_else(|| hostname.clone()),
                    facts: Facts {
                        hostname,
                        uuid,
                        tables: host.tables.clone(),
                    },
                    host: host.clone(),
                });
            }
        }
        let inner = Inner {
            tokens: HashMap::from([(fleet.token.clone(), 1)]),
            faults: fleet.faults.clone(),
            ..Inner::default()
        };
        Self {
            fleet,
            hosts,
            running: Semaphore::new(RUNNING),
            changed: Notify::new(),
            inner: Mutex::new(inner),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn host(&self, id: u64) -> Option<&Enrolled> {
        self.hosts.get(usize::try_from(id).ok()?.checked_sub(101)?)
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

    /// Takes a fault that concerns this path and that `wanted` picks.
    pub(super) fn fault(&self, path: &str, wanted: impl Fn(&What) -> bool) -> Option<What> {
        let mut inner = self.lock();
        let fault = inner
            .faults
            .iter_mut()
            .find(|fault| path.ends_with(&fault.path) && fault.times != Some(0) && wanted(&fault.what))?;
        fault.times = fault.times.map(|times| times - 1);
        Some(fault.what.clone())
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
