//! What a simulated Fleet server is like. Made in Rust, or read from YAML or JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::osquery::Row;

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

/// A host, or many alike.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Host {
    /// The hostname. With `count`, `{n}` in it becomes the number of the host, from 1.
    pub hostname: String,
    /// How many hosts this describes.
    pub count: usize,
    /// The hardware uuid; made from the id if not given.
    pub uuid: Option<String>,
    /// The serial number; made from the id if not given.
    pub serial: Option<String>,
    /// The computer's name; the hostname if not given.
    pub computer_name: Option<String>,
    /// osquery's platform.
    pub platform: String,
    /// Whether it checks in. A host that does not never answers.
    pub online: bool,
    /// How long it takes to answer, in milliseconds.
    pub latency_ms: u64,
    /// How it answers.
    pub behaviour: Behaviour,
    /// Rows that replace the usual ones of a table.
    pub tables: BTreeMap<String, Vec<Row>>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            hostname: String::new(),
            count: 1,
            uuid: None,
            serial: None,
            computer_name: None,
            platform: "debian".into(),
            online: true,
            latency_ms: 20,
            behaviour: Behaviour::Answer,
            tables: BTreeMap::new(),
        }
    }
}

/// How a host answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// It runs the statement and sends what comes of it.
    Answer,
    /// It takes the statement and is never heard of again.
    Silent,
    /// It answers twice.
    Duplicate,
    /// It fails with this message, as osquery would.
    Error(String),
}

/// Something that goes wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Concerns requests whose path ends in this, without the query.
    pub path: String,
    /// How often; always, if not given.
    #[serde(default)]
    pub times: Option<usize>,
    /// What happens.
    pub what: What,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The answer has this status and Fleet's body for it, if there is one. For the websocket, it is refused so.
    Status(u16),
    /// 429 with `Retry-After`, in seconds.
    RetryAfter(u64),
    /// A web page with status 200, as a proxy's login page.
    Html,
    /// The answer's body ends in the middle.
    Truncate,
    /// The answer comes so many milliseconds late.
    Delay(u64),
    /// A list of hosts ends early, with `error` beside it and status 200.
    PartialHosts,
    /// The websocket breaks after so many results.
    DropSocket(usize),
    /// After so many results comes an error frame with the text, and the server closes.
    ErrorFrame(usize, String),
    /// After so many results comes a frame that is not JSON.
    GarbageFrame(usize),
    /// Before the first result comes one of a host that was not asked.
    ForeignResult,
}
