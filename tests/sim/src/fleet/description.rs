//! What a simulated Fleet server is like. Made in Rust, or read from YAML or JSON.

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::host::Host;

/// A server and its hosts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fleet {
    /// Decides which routes and names there are: 4.82.0 renamed queries to reports.
    pub version: String,
    /// A path before every route.
    pub prefix: String,
    /// An API token that is valid from the start.
    pub token: String,
    /// The role of every user.
    pub role: String,
    /// Users who can log in.
    pub users: Vec<User>,
    /// How often status frames are considered, in milliseconds. Fleet's own interval is 5 s.
    pub status_interval_ms: u64,
    /// How long the synchronous routes wait for a host, in milliseconds. Fleet's own default is 25 s.
    pub rest_period_ms: u64,
    /// The hosts, with ids from 101.
    pub hosts: Vec<Host>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            version: "4.93.0".into(),
            prefix: String::new(),
            token: "fleet-api-token".into(),
            role: "observer_plus".into(),
            users: Vec::new(),
            status_interval_ms: 5_000,
            rest_period_ms: 25_000,
            hosts: Vec::new(),
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
