//! The scripted fleet, polled by a process that dies after its writes.

use std::collections::HashSet;

use super::*;
use sim::scripted_fleet::{CYCLES, Script, assert_told, in_words};

/// Lives in a row that may have nothing to deliver. A cycle has fewer writes without events than these.
const IDLE: usize = 45;

/// How a process dies: in a delivery, or at a sync of its state, whichever comes first.
struct Death {
    delivery: Crash,
    sync: usize,
}

impl Death {
    /// After so many of its writes, or a few less; a delivery is one, as each sync is. Something is written first in any case,
    /// so that the next process is further.
    fn after(writes: usize, pending: bool, was_delivered: bool, random: &mut fastrand::Rng) -> Self {
        let more = random.usize(0..writes);
        // A batch that was not acknowledged is delivered and dies with the process once, and is committed then.
        let delivery = match (pending, was_delivered) {
            (true, false) => Crash::After(more / 2),
            (true, true) => Crash::Before(1 + more / 2),
            (false, _) => Crash::Before(more / 2),
        };
        Self {
            delivery,
            sync: 1 + more,
        }
    }
}

/// What has been delivered, over all lives.
#[derive(Default)]
struct Delivered {
    keys: HashSet<String>,
    last: Vec<String>,
    repeated: usize,
    notices: Vec<String>,
}

impl Delivered {
    /// Takes what a life delivered. Returns what is new of it, in words. Panics if anything came twice but the last batch, as
    /// it was.
    fn take(&mut self, deliveries: Vec<Vec<String>>) -> Vec<String> {
        let mut words = Vec::new();
        for (number, events) in deliveries.into_iter().enumerate() {
            let parsed: Vec<Value> = events
                .iter()
                .map(|event| serde_json::from_str(event).unwrap())
                .collect();
            let key = |event: &Value| event["dedupe_key"].as_str().unwrap().to_owned();
            let known = parsed.iter().filter(|event| self.keys.contains(&key(event))).count();
            if known > 0 {
                assert!(
                    number == 0 && events == self.last,
                    "{known} events came again that were not the last batch"
                );
                self.repeated += 1;
                continue;
            }
            for event in &parsed {
                assert!(self.keys.insert(key(event)), "two events have one key: {event}");
                match in_words(event) {
                    Some(told) => words.push(told),
                    None => self.notices.push(event["code"].as_str().unwrap().to_owned()),
                }
            }
            self.last = events;
        }
        words
    }
}

/// Plays the script with a process that dies after at most so many writes, and again, until a poll has come to its end.
async fn dies_after(writes: usize) {
    let server = FleetServer::start(Script::fleet(Fleet::default())).await.unwrap();
    let scene = Scene::of(server).await;
    let (mut script, mut disk) = (Script::new(), Scene::disk());
    let mut random = fastrand::Rng::with_seed(12);
    let (mut delivered, mut deaths) = (Delivered::default(), 0);
    for cycle in 0..CYCLES {
        let expected = script.play(&scene.server, Duration::ZERO).await;
        let (mut told, mut pending, mut was_delivered, mut idle) = (Vec::new(), false, false, 0_usize);
        loop {
            let mut death = Death::after(writes, pending, was_delivered, &mut random);
            // Every poll writes down that one report failed. What comes behind that is reached by those who live longer.
            death.sync += idle.saturating_sub(IDLE);
            let before = (pending, delivered.keys.len());
            let taken = Taken::default();
            let lived = scene.live(&disk, &death, &taken).await;
            let deliveries = std::mem::take(&mut *taken.lock().unwrap());
            told.extend(delivered.take(deliveries));
            disk = disk.restart(|| random.bool());
            if let Ok(once) = lived {
                let fails = if script.is_last() {
                    Once::Complete
                } else {
                    Once::Partial
                };
                assert_eq!(once, fails, "cycle {cycle}");
                break;
            }
            deaths += 1;
            // A look at a copy, which leaves the disk as it is.
            let batch = StateFile::on(disk.restart(|| false), "fleet")
                .unwrap()
                .pending()
                .unwrap();
            pending = batch.is_some();
            let events = batch.map(|batch| batch.events.into_iter().map(|event| event.json).collect());
            was_delivered = events.as_ref() == Some(&delivered.last);
            let progress = before != (pending, delivered.keys.len());
            idle = if progress { 0 } else { idle + 1 };
        }
        assert_told(&format!("cycle {cycle}"), told, &expected);
        tracing::debug!(cycle, deaths, "told exactly");
    }
    // That one report failed for long, and recovered.
    assert_eq!(delivered.notices, ["report-failing", "report-recovered"]);
    assert!(delivered.repeated <= deaths, "a death repeats one batch at most");
    assert!(deaths >= CYCLES, "it died {deaths} times");
}

impl Scene {
    /// Polls once, until it is done or dies.
    async fn live(&self, disk: &CrashDisk, death: &Death, taken: &Taken) -> Result<Once, PollError> {
        let store = Arc::new(StateFile::on(disk.clone(), "fleet")?);
        // Opening the file writes, too.
        disk.crash_at(death.sync);
        let receiver = Receiver::new(death.delivery, disk, taken);
        let poller = self.runner.poller(
            self.connector.clone(),
            store,
            vec![Arc::new(receiver)],
            Arc::new(|_| ()),
        );
        poller.run_once(CancellationToken::new()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scripted_fleet_is_told_exactly_by_a_process_that_dies_again_and_again() {
    dies_after(30).await;
}

/// The complete sweep: minutes. `cargo test --workspace --lib -- --ignored --nocapture between_any_two_writes`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes many minutes; the test above dies at a sample of the writes"]
async fn a_scripted_fleet_is_told_exactly_by_a_process_that_dies_between_any_two_writes() {
    dies_after(1).await;
}
