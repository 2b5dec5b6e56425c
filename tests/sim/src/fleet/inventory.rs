//! The hosts of a running server. Scripts change them while they are listed.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jiff::{SignedDuration, Timestamp};

use crate::host::{Enrolled, Host, Workers};
use crate::osquery::Row;

/// The id of the first host.
const FIRST_ID: u64 = 101;

/// For how long an offline host has not been seen.
const OFFLINE_FOR: SignedDuration = SignedDuration::from_hours(3);

/// For how long a missing host has not been seen.
const MISSING_FOR: SignedDuration = SignedDuration::from_hours(31 * 24);

/// After how long a host is missing.
const MISSING_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Whether a host is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostStatus {
    /// It checks in all the time.
    Online,
    /// It was last seen hours ago.
    Offline,
    /// It was last seen more than 30 days ago. Fleet shows it as `offline` and lets it be found as `missing`.
    Missing,
    /// It checks in, and Fleet shows it with a status that no server of today has.
    Other(&'static str),
}

/// A host and where it stands.
#[derive(Debug, Clone)]
pub(super) struct FleetHost {
    pub(super) enrolled: Enrolled,
    pub(super) team: Option<u64>,
    pub(super) created: Timestamp,
    /// When it was last seen; none while it is online.
    last_seen: Option<Timestamp>,
    /// The status that it is shown with, whatever its own is.
    shown: Option<&'static str>,
}

impl FleetHost {
    pub(super) fn id(&self) -> u64 {
        self.enrolled.id
    }

    pub(super) fn is_online(&self) -> bool {
        self.last_seen.is_none()
    }

    /// The status that it is shown with. Of the servers of today it is never anything but `online` or `offline`.
    pub(super) fn status(&self) -> &'static str {
        self.shown
            .unwrap_or(if self.is_online() { "online" } else { "offline" })
    }

    /// When it was last seen.
    pub(super) fn seen(&self, now: Timestamp) -> Timestamp {
        self.last_seen.unwrap_or(now)
    }

    /// A host that stays offline for long goes missing by itself.
    pub(super) fn is_missing(&self, now: Timestamp) -> bool {
        now.duration_since(self.seen(now)) >= MISSING_AFTER
    }

    /// What people know it by.
    pub(super) fn display_name(&self) -> String {
        let name = &self.enrolled.computer_name;
        if name.is_empty() {
            format!("EX-1 ({})", self.enrolled.serial)
        } else {
            name.clone()
        }
    }

    /// Whether an identifier means it. The display name is none.
    pub(super) fn is_identified_by(&self, name: &str) -> bool {
        let Enrolled { facts, serial, .. } = &self.enrolled;
        [&facts.hostname, &facts.uuid, serial].iter().any(|text| *text == name)
    }

    pub(super) fn set_status(&mut self, status: HostStatus, now: Timestamp) {
        let ago = match status {
            HostStatus::Online | HostStatus::Other(_) => None,
            HostStatus::Offline => Some(OFFLINE_FOR),
            HostStatus::Missing => Some(MISSING_FOR),
        };
        self.last_seen = ago.map(|ago| now - ago);
        self.shown = match status {
            HostStatus::Other(shown) => Some(shown),
            _ => None,
        };
    }

    pub(super) fn set_rows(&mut self, table: &str, rows: Vec<Row>) {
        self.enrolled.facts.tables.insert(table.to_owned(), rows);
    }
}

/// All hosts.
#[derive(Default)]
pub(super) struct Inventory {
    hosts: RwLock<Listed>,
    pub(super) workers: Workers,
}

#[derive(Default)]
struct Listed {
    /// By id, so that a page of many hosts is a slice.
    hosts: Vec<Arc<FleetHost>>,
    /// How many ids were given. No id is given again.
    given: u64,
}

impl Inventory {
    /// Enrols a host, or many alike. Returns their ids.
    pub(super) fn enrol(&self, described: &Host, created: Timestamp, now: Timestamp) -> Result<Vec<u64>, String> {
        described.check()?;
        let status = match described {
            Host { missing: true, .. } => HostStatus::Missing,
            Host { online: true, .. } => HostStatus::Online,
            _ => HostStatus::Offline,
        };
        let mut listed = self.write();
        let first = FIRST_ID + listed.given;
        let ids: Vec<u64> = (first..).take(described.count).collect();
        let hosts = ids.iter().zip(1..).map(|(id, number)| {
            let mut host = FleetHost {
                enrolled: Enrolled::new(described, number, *id),
                team: described.team_id,
                created,
                last_seen: None,
                shown: None,
            };
            host.set_status(status, now);
            Arc::new(host)
        });
        listed.hosts.extend(hosts);
        listed.given += described.count as u64;
        Ok(ids)
    }

    pub(super) fn get(&self, id: u64) -> Option<Arc<FleetHost>> {
        self.all(|hosts| find(hosts, id).ok().map(|place| hosts[place].clone()))
    }

    /// Looks at all hosts, in the order of their ids.
    pub(super) fn all<T>(&self, look: impl FnOnce(&[Arc<FleetHost>]) -> T) -> T {
        look(&self.read().hosts)
    }

    /// Changes a host.
    pub(super) fn change(&self, id: u64, change: impl FnOnce(&mut FleetHost)) -> Result<(), String> {
        let hosts = &mut self.write().hosts;
        let place = find(hosts, id)?;
        change(Arc::make_mut(&mut hosts[place]));
        Ok(())
    }

    pub(super) fn remove(&self, id: u64) -> Result<(), String> {
        let hosts = &mut self.write().hosts;
        let place = find(hosts, id)?;
        hosts.remove(place);
        Ok(())
    }

    /// Runs a statement on a host.
    pub(super) async fn answer(&self, host: Arc<FleetHost>, sql: &str) -> Result<Vec<Row>, String> {
        let sql = sql.to_owned();
        self.workers.run(move || host.enrolled.answer(&sql)).await
    }

    fn read(&self) -> RwLockReadGuard<'_, Listed> {
        self.hosts.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Listed> {
        self.hosts.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(hosts: &[Arc<FleetHost>], id: u64) -> Result<usize, String> {
    let found = hosts.binary_search_by_key(&id, |host| host.id());
    found.map_err(|_| format!("there is no host {id}"))
}
