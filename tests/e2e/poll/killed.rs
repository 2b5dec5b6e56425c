//! Polling with the real command, which is killed at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Map, json};
use sim::Host;
use sim::fleet::{Fleet, FleetServer, HostStatus, SavedQuery};

use super::polled::{Polled, TOKEN};
use sim::scripted_fleet::{CYCLES, Script, assert_told, in_words};

/// Hosts: two pages of them.
const HOSTS: u64 = 505;

const ROUNDS: usize = 10;
const KILLS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_two_hundred_moments_it_tells_everything_and_repeats_what_was_under_way() {
    let query = SavedQuery {
        name: "who".into(),
        query: "SELECT username FROM users".into(),
        ..SavedQuery::default()
    };
    let server = FleetServer::start(Fleet {
        token: TOKEN.into(),
        hosts: vec![Host {
            hostname: "host-{n}".into(),
            count: HOSTS as usize,
            ..Host::default()
        }],
        queries: vec![query],
        ..Fleet::default()
    })
    .await
    .unwrap();
    let mut polled = Polled::new("fleetdm", server.url(), &json!({}), &json!({}));
    let began = Instant::now();
    assert_eq!(polled.complete().await.len(), HOSTS as usize);
    let whole = began.elapsed();

    let mut random = fastrand::Rng::with_seed(9);
    let mut online: BTreeMap<u64, bool> = (101..101 + HOSTS).map(|id| (id, true)).collect();
    for round in 0..ROUNDS {
        let mut expected = BTreeSet::new();
        server.advance_clock(60);
        for id in random.choose_multiple(101..101 + HOSTS, 40) {
            let is_online = online.get_mut(&id).unwrap();
            *is_online = !*is_online;
            let (status, word) = if *is_online {
                (HostStatus::Online, "online")
            } else {
                (HostStatus::Offline, "offline")
            };
            server.set_host_status(id, status).unwrap();
            expected.insert(format!("host-{} {word}", id - 100));
        }
        let asked = random.choose_multiple(101..101 + HOSTS, 5);
        for id in &asked {
            let row = Map::from_iter([("username".to_owned(), json!(format!("user-{round}")))]);
            server.set_rows(*id, "users", vec![row]).unwrap();
            expected.insert(format!("host-{} user-{round}", id - 100));
        }
        server.run_saved_query(1, &asked).await.unwrap();

        for _ in 0..KILLS {
            let mut command = polled.command(&["--once"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let moment = whole.mul_f64(random.f64()).max(Duration::from_millis(1));
            let _ = tokio::time::timeout(moment, child.wait()).await;
            // Nothing is left to kill when it was quick.
            let _ = child.kill().await;
        }
        let events = polled.complete().await;
        let mut keys: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for event in &events {
            let what = event["status"].as_str().or(event["username"].as_str()).unwrap();
            let said = format!("{} {what}", event["hostname"].as_str().unwrap());
            keys.entry(said)
                .or_default()
                .insert(event["dedupe_key"].as_str().unwrap());
        }
        assert!(keys.values().all(|keys| keys.len() == 1), "round {round}: {keys:?}");
        assert_eq!(keys.into_keys().collect::<BTreeSet<_>>(), expected, "round {round}");
        let batch = expected.len();
        assert!(
            events.len() <= batch + KILLS * batch,
            "a kill repeats one batch at most"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scripted_fleet_is_told_exactly_by_a_command_that_is_killed_again_and_again() {
    /// Of each cycle.
    const KILLS: usize = 3;
    let server = FleetServer::start(Script::fleet(Fleet {
        token: TOKEN.into(),
        ..Fleet::default()
    }))
    .await
    .unwrap();
    let mut polled = Polled::new("fleetdm", server.url(), &json!({}), &json!({}));
    let (mut script, mut random) = (Script::new(), fastrand::Rng::with_seed(10));
    let (mut delivered, mut whole) = (BTreeMap::new(), Duration::from_secs(2));
    for cycle in 0..CYCLES {
        let expected = script.play(&server, Duration::ZERO).await;
        for _ in 0..KILLS {
            let mut command = polled.command(&["--once"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let _ = tokio::time::timeout(whole.mul_f64(random.f64()), child.wait()).await;
            // Nothing is left to kill when it was quick.
            let _ = child.kill().await;
        }
        let began = Instant::now();
        let poll = polled.once(&[]).await;
        whole = began.elapsed();
        let code = if script.is_last() { 0 } else { 3 };
        assert_eq!(poll.done.code(), code, "{}", poll.done.stderr);
        let mut told = Vec::new();
        for event in poll.events {
            let key = event["dedupe_key"].as_str().unwrap().to_owned();
            if let Some(before) = delivered.get(&key) {
                assert_eq!(*before, event, "what comes again is the same");
            } else {
                told.extend(in_words(&event));
                delivered.insert(key, event);
            }
        }
        assert_told(&format!("cycle {cycle}"), told, &expected);
    }
    let notices = delivered.values().filter(|event| event["kind"] == "notice");
    assert_eq!(notices.count(), 2, "that one report failed for long, and recovered");
}
