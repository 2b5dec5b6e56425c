//! What a running server remembers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};

use super::description::Fleet;
use super::inventory::Inventory;
use super::live::HostAnswer;
use super::reply;
use super::report::Cap;
use super::saved::{SavedQueries, SavedQuery};
use super::users::API_USER;
use crate::front::Front;
use crate::login_limit::LoginLimit;
use crate::osquery::Row;

/// When the hosts of the description were enrolled.
const LONG_AGO: Timestamp = Timestamp::constant(1_736_503_200, 0);

/// Roles that may run statements of their own.
const RUNNERS: [&str; 3] = ["admin", "maintainer", "observer_plus"];

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

/// What a running Fleet server remembers.
pub struct State {
    /// What it was like at the start.
    pub(super) fleet: Fleet,
    pub(super) hosts: Inventory,
    pub(super) front: Arc<Front>,
    /// Told whenever a campaign changes.
    pub(super) changed: Notify,
    queries: Mutex<SavedQueries>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) campaigns: Vec<Campaign>,
    pub(super) logins: usize,
    /// One for all users and addresses.
    pub(super) login_limit: LoginLimit,
    /// Whether rows of saved queries are not stored.
    pub(super) loses_reports: bool,
    /// Each token and whose it is.
    pub(super) tokens: HashMap<String, u64>,
    /// Answers that wait for somebody to listen, by campaign, and whose campaign it is.
    pub(super) streams: HashMap<u64, (u64, mpsc::UnboundedReceiver<HostAnswer>)>,
}

impl State {
    pub(super) fn new(fleet: Fleet) -> Result<Self, String> {
        fleet.check()?;
        let inner = Inner {
            tokens: HashMap::from([(fleet.token.clone(), API_USER)]),
            ..Inner::default()
        };
        let state = Self {
            hosts: Inventory::default(),
            front: Front::new(&fleet.faults, reply::of_status),
            fleet,
            changed: Notify::new(),
            queries: Mutex::default(),
            inner: Mutex::new(inner),
        };
        state.front.clock.advance(state.fleet.clock_offset_seconds);
        for host in &state.fleet.hosts {
            state.fleet.team(host.team_id)?;
            state.hosts.enrol(host, LONG_AGO, state.now())?;
        }
        for query in &state.fleet.queries {
            state.add_saved_query(query.clone())?;
        }
        Ok(state)
    }

    /// What the server takes for the time.
    pub(super) fn now(&self) -> Timestamp {
        self.front.clock.second()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn queries(&self) -> MutexGuard<'_, SavedQueries> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether lists of saved queries have `count` and `meta`. They came late in 2024, with about this version.
    pub(super) fn counts_queries(&self) -> bool {
        self.is_since(4, 60)
    }

    /// Whether the server has the names of 4.82.0 and later.
    pub(super) fn has_reports(&self) -> bool {
        self.is_since(4, 82)
    }

    /// Whether reports come in pages and, when they are full, keep refreshing.
    pub(super) fn pages_reports(&self) -> bool {
        self.is_since(4, 93)
    }

    fn is_since(&self, major: u32, minor: u32) -> bool {
        let mut parts = self
            .fleet
            .version
            .split('.')
            .map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next(), parts.next()) >= (Some(major), Some(minor))
    }

    /// How much a report holds now.
    pub(super) fn cap(&self) -> Cap {
        let refreshes = self.pages_reports();
        let least = if refreshes { self.hosts.all(<[_]>::len) } else { 0 };
        Cap {
            rows: self.fleet.report_cap.max(least),
            refreshes,
        }
    }

    /// Whether users see the hosts of all teams.
    pub(super) fn sees_all(&self) -> bool {
        self.fleet.team_roles.is_empty()
    }

    /// Whether users see what belongs to this team, or to none.
    pub(super) fn sees(&self, team: Option<u64>) -> bool {
        self.role(team).is_some()
    }

    /// Whether users may run statements of their own on hosts of this team, or of none.
    pub(super) fn runs_on(&self, team: Option<u64>) -> bool {
        self.role(team).is_some_and(|role| RUNNERS.contains(&role))
    }

    /// Whether there are hosts on which users may run statements of their own.
    pub(super) fn runs_anywhere(&self) -> bool {
        let mut teams = self.fleet.team_roles.keys();
        self.runs_on(None) || teams.any(|team| self.runs_on(Some(*team)))
    }

    /// The role of users for what belongs to this team, or to none.
    fn role(&self, team: Option<u64>) -> Option<&str> {
        if self.sees_all() {
            return Some(&self.fleet.role);
        }
        self.fleet.team_roles.get(&team?).map(String::as_str)
    }

    pub(super) fn add_saved_query(&self, query: SavedQuery) -> Result<u64, String> {
        self.fleet.team(query.team_id)?;
        self.queries().add(query, self.now())
    }

    /// Stores what hosts sent of a saved query.
    pub(super) fn store(&self, query: u64, answers: Vec<(u64, Vec<Row>)>) -> Result<(), String> {
        let (now, cap, loses) = (self.now(), self.cap(), self.lock().loses_reports);
        let mut queries = self.queries();
        let saved = queries.get_mut(query)?;
        for (host, rows) in answers {
            saved.executions += 1;
            // A host may have been deleted while it ran.
            if !loses && saved.query.is_stored() && self.hosts.get(host).is_some() {
                saved.report.store(host, rows, now, cap);
            }
        }
        Ok(())
    }

    pub(super) fn delete_host(&self, host: u64) -> Result<(), String> {
        self.hosts.remove(host)?;
        self.forget_rows(host);
        Ok(())
    }

    pub(super) fn move_host(&self, host: u64, team: Option<u64>) -> Result<(), String> {
        self.fleet.team(team)?;
        self.hosts.change(host, |host| host.team = team)?;
        self.forget_rows(host);
        Ok(())
    }

    fn forget_rows(&self, host: u64) {
        for saved in self.queries().all_mut() {
            saved.report.forget(host);
        }
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
