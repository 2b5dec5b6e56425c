//! What a simulated Fleet server is like. Made in Rust, or read from YAML or JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::saved::SavedQuery;
use crate::fault::Fault;
use crate::host::Host;

/// A server and its hosts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fleet {
    /// Decides which routes and names there are: 4.82.0 renamed queries to reports.
    pub version: String,
    /// Whether it has a Premium licence. Without one there are no teams.
    pub premium: bool,
    /// A path before every route.
    pub prefix: String,
    /// An API token that is valid from the start.
    pub token: String,
    /// The role of every user, if they have no roles in teams.
    pub role: String,
    /// The roles of every user in teams, by the team's id. With any, users see what belongs to these teams only.
    pub team_roles: BTreeMap<u64, String>,
    /// Users who can log in.
    pub users: Vec<User>,
    /// The teams.
    pub teams: Vec<Team>,
    /// How often status frames are considered, in milliseconds. Fleet's own interval is 5 s.
    pub status_interval_ms: u64,
    /// How long the synchronous routes wait for a host, in milliseconds. Fleet's own default is 25 s.
    pub rest_period_ms: u64,
    /// The hosts, with ids from 101.
    pub hosts: Vec<Host>,
    /// The saved queries, with ids from 1.
    pub queries: Vec<SavedQuery>,
    /// How many rows a report holds, of all hosts together. From 4.93 on it holds one for each host at least.
    pub report_cap: usize,
    /// How far the server's clock is ahead.
    pub clock_offset_seconds: i64,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            version: "4.93.0".into(),
            premium: true,
            prefix: String::new(),
            token: "fleet-api-token".into(),
            role: "observer_plus".into(),
            team_roles: BTreeMap::new(),
            users: Vec::new(),
            teams: Vec::new(),
            status_interval_ms: 5_000,
            rest_period_ms: 25_000,
            hosts: Vec::new(),
            queries: Vec::new(),
            report_cap: 1_000,
            clock_offset_seconds: 0,
            faults: Vec::new(),
        }
    }
}

/// A user with a password.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The e-mail address, in lower case.
    pub email: String,
    /// The password.
    pub password: String,
}

/// A team, which 4.82.0 renamed to fleet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
}

impl Fleet {
    /// What contradicts itself would be a server that cannot be.
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.premium && !self.teams.is_empty() {
            return Err("there are no teams without a Premium licence".into());
        }
        self.team_roles.keys().try_for_each(|id| self.team(Some(*id)).map(drop))
    }

    /// A team that is meant to be there.
    pub(super) fn team(&self, id: Option<u64>) -> Result<Option<&Team>, String> {
        let Some(id) = id else { return Ok(None) };
        let found = self.teams.iter().find(|team| team.id == id);
        found.map(Some).ok_or_else(|| format!("there is no team {id}"))
    }
}
