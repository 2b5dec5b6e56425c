//! The machines that a fleet manager manages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::osquery::{Facts, Row};

/// Statements run at once: they are the only real work here.
const RUNNING: usize = 2;

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
    /// Fleet: whether it has not been seen for more than 30 days. Then it is not online, whatever `online` says.
    pub missing: bool,
    /// Fleet: the team it is in.
    pub team_id: Option<u64>,
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
            missing: false,
            team_id: None,
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

/// A host with what the fleet manager knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Enrolled {
    pub(crate) id: u64,
    pub(crate) serial: String,
    pub(crate) computer_name: String,
    pub(crate) facts: Facts,
    pub(crate) host: Host,
}

/// Where statements run: off the threads that serve, and few at once.
pub(crate) struct Workers(Semaphore);

impl Default for Workers {
    fn default() -> Self {
        Self(Semaphore::new(RUNNING))
    }
}

impl Workers {
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let _turn = self.0.acquire().await.expect("the semaphore is never closed");
        tokio::task::spawn_blocking(work)
            .await
            .expect("running a statement does not panic")
    }
}

impl Enrolled {
    /// The host with this number among those that are described together.
    pub(crate) fn new(host: &Host, number: usize, id: u64) -> Self {
        let hostname = host.hostname.replace("{n}", &number.to_string());
        let uuid = host.uuid.clone();
        Self {
            id,
            serial: host.serial.clone().unwrap_or_else(|| format!("SN{id:06}")),
            computer_name: host.computer_name.clone().unwrap_or_else(|| hostname.clone()),
            facts: Facts {
                hostname,
                uuid: uuid.unwrap_or_else(|| format!("0A1B2C3D-0000-4000-8000-{id:012}")),
                tables: host.tables.clone(),
            },
            host: host.clone(),
        }
    }

    /// What it answers to a statement, as soon as it can.
    pub(crate) fn answer(&self, sql: &str) -> Result<Vec<Row>, String> {
        match &self.host.behaviour {
            Behaviour::Error(message) => Err(message.clone()),
            _ => self.facts.answer(sql),
        }
    }
}

impl Host {
    /// A table that osquery does not have here would be ignored in silence.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.tables.keys().find(|name| !crate::osquery::has_table(name)) {
            Some(unknown) => Err(format!("host {}: there is no table `{unknown}`", self.hostname)),
            None => Ok(()),
        }
    }
}
