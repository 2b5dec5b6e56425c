//! A Fleet server on paper: pages of hosts, and nobody who keeps what is told.

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use step_osquery::contract::{
    Batch, Closed, ConnectError, PollServices, Request, Response, Services, Socket, TransportError, TransportKind,
};

use crate::silence::silence;

/// Hosts on a page.
const PAGE: usize = 500;

/// A server and its host, in memory.
pub(crate) struct Paper {
    pages: Vec<String>,
    hosts: usize,
    /// Events that were told.
    pub(crate) events: Cell<usize>,
}

impl Paper {
    /// A server with so many hosts.
    pub(crate) fn with(hosts: usize) -> Self {
        let numbers: Vec<usize> = (1..=hosts).collect();
        let pages = numbers.chunks(PAGE).map(|numbers| {
            let hosts: Vec<String> = numbers.iter().map(|number| host(*number)).collect();
            format!("{{\"hosts\":[{}]}}", hosts.join(","))
        });
        Self {
            pages: pages.collect(),
            hosts,
            events: Cell::new(0),
        }
    }
}

/// A host as `GET /hosts` shows it.
fn host(number: usize) -> String {
    let host = json!({
        "id": 100 + number,
        "uuid": format!("0A1B2C3D-0000-4000-8000-{number:012}"),
        "hostname": format!("host-{number}.corp.example"),
        "computer_name": format!("host-{number}"),
        "display_name": format!("host-{number}"),
        "display_text": format!("host-{number}.corp.example"),
        "platform": "debian",
        "os_version": "Debian GNU/Linux 12",
        "hardware_serial": format!("SN{number:06}"),
        "primary_ip": "10.20.0.101",
        "primary_mac": "02:00:00:00:00:65",
        "team_id": null,
        "status": "online",
        "seen_time": "2026-11-25T11:49:53Z",
        "detail_updated_at": "2026-11-25T11:49:53Z",
        "last_enrolled_at": "2025-01-10T10:00:00Z",
        "created_at": "2025-01-10T10:00:00Z",
        "updated_at": "2026-11-25T11:49:53Z",
        "refetch_requested": false,
        "osquery_version": "5.23.1",
        "memory": 16_777_216_000_u64,
        "cpu_type": "x86_64",
        "hardware_model": "PowerEdge R650",
        "gigs_disk_space_available": 174.98,
        "issues": {"failing_policies_count": 0, "total_issues_count": 0},
    });
    host.to_string()
}

impl Services for Paper {
    type Socket = Never;

    async fn open_session(&self, _: &str, login: Request, _: Option<&str>) -> Result<Response, TransportError> {
        self.send(login).await
    }

    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let asked = |wanted: &str| query.split('&').find_map(|pair| pair.strip_prefix(wanted));
        let body = if path.ends_with("/hosts/count") {
            json!({"count": self.hosts}).to_string()
        } else if path.ends_with("/hosts") && asked("status=").is_none() {
            let page = asked("page=").and_then(|page| self.pages.get(page.parse::<usize>().ok()?));
            page.cloned().unwrap_or_else(|| "{\"hosts\":[]}".to_owned())
        } else if path.ends_with("/hosts") {
            "{\"hosts\":[]}".to_owned()
        } else {
            return Err(TransportError {
                kind: TransportKind::Refused,
                message: format!("{path} is not on the paper"),
            });
        };
        Ok(Response {
            status: 200,
            headers: vec![
                ("content-type".into(), "application/json; charset=utf-8".into()),
                ("date".into(), "Wed, 25 Nov 2026 11:49:53 GMT".into()),
            ],
            body: body.into_bytes(),
        })
    }

    async fn connect(&self, _: &str, _: Duration) -> Result<Never, ConnectError> {
        Err(ConnectError::Rejected(404))
    }

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn deadline(&self) -> Duration {
        Duration::MAX
    }

    async fn sleep(&self, _: Duration) {}

    fn publish(&self, _: &str, _: Result<String, String>) {}

    silence!();
}

impl PollServices for Paper {
    async fn deliver(&self, batch: Batch) -> Result<(), Closed> {
        self.events.set(self.events.get() + batch.events.len());
        Ok(())
    }

    async fn recall(&self, keys: Vec<String>) -> Vec<Option<String>> {
        vec![None; keys.len()]
    }

    async fn entries(&self, _: &str, _: Option<String>, _: u32) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// There are no websockets on paper.
pub(crate) enum Never {}

impl Socket for Never {
    async fn send(&self, _: String) -> Result<(), TransportError> {
        match *self {}
    }

    async fn receive(&self, _: Duration) -> Result<Vec<String>, TransportError> {
        match *self {}
    }

    async fn close(&self) {
        match *self {}
    }
}
