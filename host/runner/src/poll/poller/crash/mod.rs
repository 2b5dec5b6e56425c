//! Polling on a machine that crashes: whatever was under way, everything is delivered, and what comes twice is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use sim::fleet::{Fleet, FleetServer, SavedQuery};
use sim::{Fault, Host, What};

use tokio::sync::Semaphore;

mod scripted;

use super::{Once, PollError, PollEvent};
use crate::poll::state_file::StateFile;
use crate::poll::state_file::crash_disk::CrashDisk;
use crate::poll::{Connector, ConnectorInputs, PreparedConnector, Sink, SinkError};
use crate::sandbox::store::{EventText, Store as _};
use crate::{CancellationToken, Engine, Limits, Runner, Secrets};

/// Hosts: two pages of them.
const HOSTS: usize = 510;

/// When, in a delivery, the machine crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    /// Before the events were taken.
    Before(usize),
    /// After they were taken, before that was acknowledged.
    After(usize),
    Never,
}

/// Takes events, and crashes.
struct Receiver {
    crash: Crash,
    deliveries: AtomicUsize,
    /// What crashes with the rest of the machine.
    disk: CrashDisk,
    taken: Taken,
}

impl Receiver {
    fn new(crash: Crash, disk: &CrashDisk, taken: &Taken) -> Self {
        Self {
            crash,
            deliveries: AtomicUsize::new(0),
            disk: disk.clone(),
            taken: taken.clone(),
        }
    }
}

impl Sink for Receiver {
    fn name(&self) -> &'static str {
        "receiver"
    }

    fn batch_size(&self) -> usize {
        usize::MAX
    }

    fn deliver<'a>(&'a self, events: &'a [EventText]) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            let number = self.deliveries.fetch_add(1, Ordering::Relaxed);
            let crashed = || {
                self.disk.crash_at(0);
                Err(SinkError::Gone("the machine has crashed".into()))
            };
            if self.crash == Crash::Before(number) {
                return crashed();
            }
            let events = events.iter().map(|event| event.json.clone()).collect();
            self.taken.lock().unwrap().push(events);
            if self.crash == Crash::After(number) {
                return crashed();
            }
            Ok(())
        })
    }
}

/// A server with news, and the connector that tells them.
struct Scene {
    server: FleetServer,
    runner: Runner,
    connector: PreparedConnector,
}

impl Scene {
    async fn set() -> Self {
        let queries = ["SELECT username FROM users", "SELECT name FROM os_version"];
        let server = FleetServer::start(Fleet {
            hosts: vec![Host {
                hostname: "host-{n}".into(),
                count: HOSTS,
                ..Host::default()
            }],
            report_cap: 10_000,
            ..Fleet::default()
        })
        .await
        .unwrap();
        let row = |n: usize| Map::from_iter([("username".to_owned(), json!(format!("user-{n}")))]);
        for (number, query) in queries.into_iter().enumerate() {
            let saved = SavedQuery {
                name: format!("query-{number}"),
                query: query.into(),
                ..SavedQuery::default()
            };
            let id = server.add_saved_query(saved).unwrap();
            // Enough rows for two batches of one report, and a part of one of the other.
            let hosts: Vec<u64> = (101..101 + if number == 0 { 5 } else { 100 }).collect();
            if number == 0 {
                for host in &hosts {
                    server.set_rows(*host, "users", (0..260).map(row).collect()).unwrap();
                }
            }
            server.run_saved_query(id, &hosts).await.unwrap();
        }
        Self::of(server).await
    }

    async fn of(server: FleetServer) -> Self {
        let mut runner = Runner::new(Engine::new(None).unwrap(), Limits::default());
        runner.load("built-in", embedded_plugin::COMPONENT).await.unwrap();
        let file = json!({
            "connector": "fleetdm",
            "name": "corp-fleet",
            "config": {"base_url": server.url(), "api_token": "{{ secrets.token }}"},
        });
        let connector = Connector::parse("connector.yaml", &file.to_string()).unwrap();
        let inputs = ConnectorInputs {
            secrets: Secrets::new([("token".to_owned(), Fleet::default().token.into())]),
            vars: Map::new(),
            directory: PathBuf::from("."),
            format: None,
        };
        let connector = runner.prepare_connector(&connector, inputs).unwrap();
        Self {
            server,
            runner,
            connector,
        }
    }

    /// A disk with a state file that remembers nothing.
    fn disk() -> CrashDisk {
        let disk = CrashDisk::default();
        drop(StateFile::on(disk.clone(), "fleet").unwrap());
        disk.restart(|| true)
    }

    /// Polls once, with what the disk remembers. `until` ends it in the middle.
    async fn poll(
        &self,
        disk: &CrashDisk,
        crash: Crash,
        taken: &Taken,
        until: impl Future<Output = ()>,
    ) -> Option<Result<Once, PollError>> {
        let receiver = Receiver::new(crash, disk, taken);
        let store = match StateFile::on(disk.clone(), "fleet") {
            Ok(store) => Arc::new(store),
            Err(error) => return Some(Err(error.into())),
        };
        let poller = self.runner.poller(
            self.connector.clone(),
            store,
            vec![Arc::new(receiver)],
            Arc::new(|_| ()),
        );
        tokio::select! {
            done = poller.run_once(CancellationToken::new()) => Some(done),
            () = until => None,
        }
    }

    /// Returns when the server has had so many more requests.
    async fn requested(&self, more: usize) {
        let before = self.server.requests().len();
        while self.server.requests().len() < before + more {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

type Taken = Arc<Mutex<Vec<Vec<String>>>>;

/// What an event says, without what depends on when it was told.
fn identity(event: &Value) -> String {
    let columns = ["kind", "hostname", "status", "query_name", "username", "name"];
    let said = columns.map(|column| event[column].as_str().unwrap_or_default());
    said.join(" ")
}

/// Everything that was told, by what it says: the keys it was told under. Panics if one thing has two keys, or if more was
/// told twice than one delivery.
fn told(taken: &Taken, when: &str) -> BTreeMap<String, BTreeSet<String>> {
    let taken = taken.lock().unwrap();
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut seen, mut repeated) = (BTreeSet::new(), 0);
    for event in taken.iter().flatten() {
        let event: Value = serde_json::from_str(event).unwrap();
        let key = event["dedupe_key"].as_str().unwrap().to_owned();
        repeated += usize::from(!seen.insert(key.clone()));
        keys.entry(identity(&event)).or_default().insert(key);
    }
    let largest = taken.iter().map(Vec::len).max().unwrap_or(0);
    assert!(
        repeated <= largest,
        "{when}: {repeated} events came twice, and the largest delivery has {largest}"
    );
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_sync_acknowledgement_or_page_loses_nothing_and_repeats_one_batch_at_most() {
    let scene = Scene::set().await;
    let never = std::future::pending;
    let (disk, taken) = (Scene::disk(), Taken::default());
    let done = scene.poll(&disk, Crash::Never, &taken, never()).await;
    assert_eq!(done.unwrap().unwrap(), Once::Complete);
    let requests = scene.server.requests().len();
    let deliveries = taken.lock().unwrap().len();
    let expected: BTreeSet<String> = told(&taken, "never").into_keys().collect();
    assert!(expected.len() > HOSTS && deliveries >= 5, "{deliveries} deliveries");

    let mut crashes: Vec<(Crash, Option<usize>, Option<usize>)> = Vec::new();
    for number in 0..deliveries {
        crashes.push((Crash::Before(number), None, None));
        crashes.push((Crash::After(number), None, None));
    }
    crashes.extend((0..2 * deliveries + 4).map(|sync| (Crash::Never, Some(sync), None)));
    crashes.extend((1..requests).map(|request| (Crash::Never, None, Some(request))));
    let mut random = fastrand::Rng::with_seed(11);
    for crash in crashes {
        let (disk, taken) = (Scene::disk(), Taken::default());
        if let Some(sync) = crash.1 {
            disk.crash_at(sync);
        }
        let until = async {
            match crash.2 {
                Some(requests) => scene.requested(requests).await,
                None => never().await,
            }
        };
        let interrupted = scene.poll(&disk, crash.0, &taken, until).await;
        let restarted = disk.restart(|| random.bool());
        let again = scene.poll(&restarted, Crash::Never, &taken, never()).await;
        assert_eq!(again.unwrap().unwrap(), Once::Complete, "{crash:?}: {interrupted:?}");
        let told = told(&taken, &format!("{crash:?}, {interrupted:?}"));
        for (identity, keys) in &told {
            assert_eq!(keys.len(), 1, "{crash:?}: {identity}: {keys:?}");
        }
        let told: BTreeSet<String> = told.into_keys().collect();
        let missing: Vec<_> = expected.difference(&told).collect();
        assert!(
            missing.is_empty() && told.len() == expected.len(),
            "{crash:?}: {missing:?}"
        );
    }
}

/// Takes events one delivery at a time, when it is let.
struct Slow {
    let_through: Semaphore,
    taken: AtomicUsize,
}

impl Sink for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn batch_size(&self) -> usize {
        usize::MAX
    }

    fn deliver<'a>(&'a self, events: &'a [EventText]) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            self.let_through.acquire().await.unwrap().forget();
            self.taken.fetch_add(events.len(), Ordering::Relaxed);
            Ok(())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_faster_than_the_sink_takes_it() {
    const PAGES: usize = 12;
    let server = FleetServer::start(Fleet {
        hosts: vec![Host {
            hostname: "host-{n}".into(),
            count: PAGES * 500,
            ..Host::default()
        }],
        ..Fleet::default()
    });
    let scene = Scene::of(server.await.unwrap()).await;
    let slow = Arc::new(Slow {
        let_through: Semaphore::new(0),
        taken: AtomicUsize::new(0),
    });
    let store = Arc::new(StateFile::on(CrashDisk::default(), "fleet").unwrap());
    let poller = scene
        .runner
        .poller(scene.connector.clone(), store, vec![slow.clone()], Arc::new(|_| ()));
    let pages = || {
        let requests = scene.server.requests();
        requests
            .iter()
            .filter(|request| request.path.contains("per_page=500&order_key"))
            .count()
    };
    let polling = poller.run_once(CancellationToken::new());
    let watching = async {
        // The list of missing hosts is a page of its own.
        for let_through in 0..3 {
            let mut seen = (0, 0);
            // Until it has stood still for long enough that nobody can be on the way to more.
            while seen.1 < 30 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let now = pages();
                seen = if now == seen.0 && now > 0 {
                    (now, seen.1 + 1)
                } else {
                    (now, 0)
                };
            }
            // One being delivered, one in the channel, one in the plugin's hands, and one being made of the next page.
            assert!(
                seen.0 <= 1 + let_through + 4,
                "{} pages while {let_through} were taken",
                seen.0
            );
            slow.let_through.add_permits(1);
        }
        slow.let_through.add_permits(10 * PAGES);
    };
    let (once, ()) = tokio::join!(polling, watching);
    assert_eq!(once.unwrap(), Once::Complete);
    assert_eq!(slow.taken.load(Ordering::Relaxed), PAGES * 500);
}

#[tokio::test(start_paused = true)]
async fn five_failures_in_a_row_are_told_once_and_followed_by_one_try_an_interval() {
    let scene = Scene::of(FleetServer::start(Fleet::default()).await.unwrap()).await;
    let failing = Fault {
        path: String::new(),
        query: None,
        times: None,
        what: What::Status(500),
    };
    scene.server.set_faults(vec![failing]);
    let (disk, taken) = (Scene::disk(), Taken::default());
    let receiver = Arc::new(Receiver::new(Crash::Never, &disk, &taken));
    let store = Arc::new(StateFile::on(disk, "fleet").unwrap());
    let retries = Arc::new(AtomicUsize::new(0));
    let counted = retries.clone();
    let poller = scene.runner.poller(
        scene.connector.clone(),
        store,
        vec![receiver],
        Arc::new(move |event| {
            counted.fetch_add(
                usize::from(matches!(event, PollEvent::Retrying { .. })),
                Ordering::Relaxed,
            );
        }),
    );
    let codes = || {
        let taken = std::mem::take(&mut *taken.lock().unwrap());
        let events = taken.into_iter().flatten();
        let mut codes: Vec<String> = events
            .map(|event| {
                serde_json::from_str::<Value>(&event).unwrap()["code"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        codes.sort();
        codes
    };
    let once = async || {
        let once = poller.run_once(CancellationToken::new()).await.unwrap();
        (once, retries.swap(0, Ordering::Relaxed), codes())
    };
    let unreachable = vec!["source-unreachable".to_owned(); 2];
    assert_eq!(
        once().await,
        (Once::Failed, 2 * 4, unreachable),
        "both streams, five tries each"
    );
    assert_eq!(
        once().await,
        (Once::Failed, 0, Vec::new()),
        "one try, and nothing new to say"
    );
    scene.server.set_faults(Vec::new());
    tokio::time::resume();
    let recovered = vec!["source-recovered".to_owned(); 2];
    assert_eq!(once().await, (Once::Complete, 0, recovered));
    assert_eq!(once().await, (Once::Complete, 0, Vec::new()));
}
