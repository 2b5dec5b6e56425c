//! Polling on a machine that crashes: whatever was under way, everything is delivered, and what comes twice is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use sim::Host;
use sim::fleet::{Fleet, FleetServer, SavedQuery};

use super::{Once, PollError};
use crate::state_file::StateFile;
use crate::state_file::crash_disk::CrashDisk;
use crate::store::EventText;
use crate::{
    CancellationToken, Connector, ConnectorInputs, Engine, Limits, PreparedConnector, Runner, Secrets, Sink, SinkError,
};

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
    taken: Arc<Mutex<Vec<Vec<String>>>>,
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
            let crashed = || Err(SinkError::Gone("the machine has crashed".into()));
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
            let hosts: Vec<u64> = (101..101 + if number == 0 { 4 } else { 100 }).collect();
            if number == 0 {
                for host in &hosts {
                    server.set_rows(*host, "users", (0..400).map(row).collect()).unwrap();
                }
            }
            server.run_saved_query(id, &hosts).await.unwrap();
        }
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
        let receiver = Receiver {
            crash,
            deliveries: AtomicUsize::new(0),
            taken: taken.clone(),
        };
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
