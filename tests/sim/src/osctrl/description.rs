//! What a simulated osctrl server is like. Made in Rust, or read from YAML or JSON.

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::host::Host;

/// A server with one environment and its nodes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(clippy::struct_excessive_bools, reason = "each switches one behaviour")]
pub struct Osctrl {
    /// Decides which routes and shapes there are, from 0.5.2 on.
    pub version: String,
    /// A path before every route.
    pub prefix: String,
    /// The environment's name.
    pub environment: String,
    /// The environment's uuid.
    pub environment_uuid: String,
    /// A token that is valid from the start.
    pub token: String,
    /// What every user may do in the environment.
    pub levels: Levels,
    /// Whether every user is a super-admin, who may do everything.
    pub super_admin: bool,
    /// Users who can log in.
    pub users: Vec<User>,
    /// Whether a login is answered with a challenge instead of a token.
    pub second_factor: bool,
    /// The nodes, with ids from 1.
    pub hosts: Vec<Host>,
    /// How long after it was counted an answer can be read, in milliseconds.
    pub rows_late_ms: u64,
    /// Whether answers are stored where the API reads them.
    pub stores_answers: bool,
    /// Whether each answer is stored twice.
    pub stores_twice: bool,
    /// Whether failed answers are counted and not stored.
    pub drops_errors: bool,
    /// Whether a node that was not asked answers every query, too.
    pub foreign_answers: bool,
    /// Whether every query goes to the whole environment, whatever it selects.
    pub widens: bool,
    /// How far the server's clock is ahead of the real time, in seconds.
    pub clock_offset_seconds: i64,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

impl Default for Osctrl {
    fn default() -> Self {
        Self {
            version: "0.5.4".into(),
            prefix: String::new(),
            environment: "production".into(),
            environment_uuid: "5b1f6f0e-3a52-4c0c-9a8e-7d2f6f1c0a11".into(),
            token: "osctrl-api-token".into(),
            levels: Levels::default(),
            super_admin: false,
            users: Vec::new(),
            second_factor: false,
            hosts: Vec::new(),
            rows_late_ms: 30,
            stores_answers: true,
            stores_twice: false,
            drops_errors: false,
            foreign_answers: false,
            widens: false,
            clock_offset_seconds: 0,
            faults: Vec::new(),
        }
    }
}

/// What a user may do in the environment. The level `admin` includes the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Levels {
    /// Read nodes.
    pub user: bool,
    /// Run queries and read their answers.
    pub query: bool,
    /// Everything, expiring queries included.
    pub admin: bool,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            user: true,
            query: true,
            admin: true,
        }
    }
}

/// A user with a password.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}
