//! Polls of large fleets, beside the plugin's code compiled natively with the same store and the same sink.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use playbook_host::poll::{
    Batch as HostBatch, Change as HostChange, EventText, FileSink, Severity, Sink, StateFile, Store,
};
use serde_json::json;
use step_osquery::contract::{Batch, Closed, ConnectError, PollServices, Request, Response, Services, TransportError};
use step_osquery::exports::connectors;
use step_osquery::polling::Settings;
use tokio::sync::Mutex;

use crate::Outcome;
use crate::child::{self, Server, Used};
use crate::native::{Native, NativeSocket};
use crate::server::{Size, TOKEN};
use crate::silence::silence;
use crate::table::{Table, mib, ratio, s};

const HOSTS: usize = 100_000;
const REPORTS: usize = 500;
const ROWS: usize = 1_000;

pub(crate) fn measure(table: &mut Table) -> Outcome {
    let few = pair(Size::of(HOSTS / 10))?;
    let many = pair(Size::of(HOSTS))?;
    let full = pair(Size {
        hosts: HOSTS,
        reports: REPORTS,
        rows: ROWS,
    })?;
    add(table, &format!("first poll of {} hosts", HOSTS / 10), &few);
    add(table, &format!("first poll of {HOSTS} hosts"), &many);
    add(
        table,
        &format!("first poll of {HOSTS} hosts and {REPORTS} reports of {ROWS} rows"),
        &full,
    );
    table.add(
        "ten times the hosts",
        format!("{} the CPU time", ratio(many.ours.cpu, few.ours.cpu)),
        format!(
            "{} the time, peak {} and {}",
            ratio(many.ours.wall, few.ours.wall),
            mib(few.ours.peak),
            mib(many.ours.peak)
        ),
        "10.5×, memory flat",
    );
    Ok(())
}

struct Pair {
    ours: Used,
    natively: Used,
    events: usize,
}

fn add(table: &mut Table, what: &str, pair: &Pair) {
    let speed = |used: &Used| pair.events as f64 / used.wall.as_secs_f64();
    let figures = |used: &Used| {
        let (wall, cpu) = (s(used.wall), s(used.cpu));
        format!("{wall}, {cpu} CPU, {}, {:.0} events/s", mib(used.peak), speed(used))
    };
    let (ours, natively) = (&pair.ours, &pair.natively);
    let more = ratio(ours.cpu, natively.cpu);
    table.add(
        format!("{what}: {} events", pair.events),
        figures(ours),
        format!("natively {}; {more} the CPU time", figures(natively)),
        "1.5×",
    );
}

/// One poll by the command, and one natively, of servers that are alike.
fn pair(size: Size) -> Outcome<Pair> {
    let server = Server::start(size)?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("bench.yaml");
    let config = json!({"base_url": server.url, "api_token": "{{ secrets.fleetdm_token }}"});
    let described = json!({"connector": "fleetdm", "name": "bench", "config": config});
    std::fs::write(&file, described.to_string())?;
    let events = directory.path().join("events.ndjson");
    let mut command = child::playbook()?;
    command
        .args(["poll", "--once", "--state"])
        .arg(directory.path().join("state"));
    command.arg("--sink").arg(&events).arg(&file);
    let ours = child::run(&mut command)?;
    let native = directory.path().join("native");
    std::fs::create_dir(&native)?;
    let natively = child::run(&mut child::part(&[
        "poll-natively",
        &server.url,
        &native.display().to_string(),
    ])?)?;
    let told = lines(&events)?;
    if told != lines(&native.join("events.ndjson"))? || told < size.hosts + size.reports * size.rows {
        return Err("events are missing".into());
    }
    Ok(Pair {
        ours,
        natively,
        events: told,
    })
}

fn lines(path: &Path) -> Outcome<usize> {
    Ok(std::fs::read_to_string(path)?.lines().count())
}

/// The same poll without a plugin: one batch at a time is journaled, delivered and remembered, as the runner does it.
pub(crate) fn natively(url: &str, directory: &str) -> Outcome {
    let directory = Path::new(directory);
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let polling = Polling {
            native: Native::new(url)?,
            store: Arc::new(StateFile::open(directory, "bench", "bench")?),
            sink: FileSink::open(&directory.join("events.ndjson"))?,
            turn: Mutex::default(),
        };
        let settings = Settings {
            format: "aisoc".into(),
            config: json!({"base_url": url, "api_token": TOKEN}).to_string(),
            options: "{}".into(),
        };
        let poll = async |stream: &str| connectors::poll(&polling, "fleetdm", stream, &settings).await;
        let (hosts, reports) = tokio::join!(poll("hosts"), poll("reports"));
        for summary in [hosts, reports] {
            summary.map_err(|failure| failure.message)?;
        }
        Ok(())
    })
}

struct Polling {
    native: Native,
    store: Arc<StateFile>,
    sink: FileSink,
    turn: Mutex<()>,
}

impl Services for Polling {
    type Socket = NativeSocket;

    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.native.send(request).await
    }

    async fn open_session(
        &self,
        user: &str,
        login: Request,
        refused: Option<&str>,
    ) -> Result<Response, TransportError> {
        self.native.open_session(user, login, refused).await
    }

    async fn connect(&self, path: &str, timeout: Duration) -> Result<NativeSocket, ConnectError> {
        self.native.connect(path, timeout).await
    }

    fn now(&self) -> jiff::Timestamp {
        self.native.now()
    }

    fn monotonic(&self) -> Duration {
        self.native.monotonic()
    }

    fn deadline(&self) -> Duration {
        Duration::MAX
    }

    async fn sleep(&self, duration: Duration) {
        self.native.sleep(duration).await;
    }

    fn publish(&self, _: &str, _: Result<String, String>) {}

    silence!();
}

impl PollServices for Polling {
    async fn deliver(&self, batch: Batch) -> Result<(), Closed> {
        let _turn = self.turn.lock().await;
        let events = batch.events.into_iter().map(|(json, severity)| {
            let severity = match severity {
                step_osquery::contract::Severity::Info => Severity::Info,
                step_osquery::contract::Severity::Low => Severity::Low,
                step_osquery::contract::Severity::Medium => Severity::Medium,
                step_osquery::contract::Severity::High => Severity::High,
            };
            EventText::new(json, severity)
        });
        let changes = batch
            .changes
            .into_iter()
            .map(|change| HostChange::new(change.key, change.value));
        let batch = HostBatch::new(events.collect(), changes.collect());
        let begun = batch.events.is_empty() || self.blocking(&batch, Store::begin).await;
        if !begun || self.sink.deliver(&batch.events).await.is_err() {
            return Err(Closed);
        }
        let remembered = self.blocking(&batch, |store, batch| store.commit(&batch.changes)).await;
        remembered.then_some(()).ok_or(Closed)
    }

    async fn recall(&self, keys: Vec<String>) -> Vec<Option<String>> {
        self.store.get(&keys).unwrap_or_default()
    }

    async fn entries(&self, prefix: &str, after: Option<String>, limit: u32) -> Vec<(String, String)> {
        let found = self.store.entries(prefix, after.as_deref(), limit as usize, usize::MAX);
        found.unwrap_or_default()
    }
}

impl Polling {
    async fn blocking(
        &self,
        batch: &HostBatch,
        work: impl FnOnce(&StateFile, &HostBatch) -> Result<(), playbook_host::poll::StoreError> + Send + 'static,
    ) -> bool {
        let (store, batch) = (self.store.clone(), batch.clone());
        let done = tokio::task::spawn_blocking(move || work(&store, &batch)).await;
        done.is_ok_and(|worked| worked.is_ok())
    }
}
