//! The status of hosts, and lists of hosts that shift while they are read.

use serde_json::json;
use sim::What;
use sim::fleet::{Fleet, FleetServer, HostStatus};

use super::{POSTURE, fault, fleet, hosts, many, start, start_with};
use crate::poll::polled::{Polled, summary};

#[tokio::test]
async fn a_host_that_goes_twice_is_told_under_two_keys_and_one_that_flips_is_told_as_flapping() {
    let flip = async |server: &FleetServer, polled: &mut Polled, status: HostStatus, seconds: i64| {
        server.advance_clock(seconds);
        server.set_host_status(101, status).unwrap();
        polled.complete().await
    };
    let (server, mut polled) = start(Fleet {
        hosts: hosts(&["web-01"]),
        ..fleet()
    })
    .await;
    polled.complete().await;
    let mut keys = Vec::new();
    for status in [HostStatus::Offline, HostStatus::Online, HostStatus::Offline] {
        let events = flip(&server, &mut polled, status, 1).await;
        assert_eq!(events.len(), 1);
        keys.push(events[0]["dedupe_key"].to_string());
    }
    assert!(keys[0] != keys[2], "{keys:?}");

    let (server, mut polled) = start_with(
        Fleet {
            hosts: hosts(&["web-01"]),
            ..fleet()
        },
        json!({}),
        json!({"flap_window_seconds": 600}),
    )
    .await;
    polled.complete().await;
    let mut told = Vec::new();
    for (status, seconds) in [
        (HostStatus::Offline, 900),
        (HostStatus::Online, 60),
        (HostStatus::Offline, 60),
        (HostStatus::Online, 60),
        (HostStatus::Online, 900),
    ] {
        told.extend(summary(&flip(&server, &mut polled, status, seconds).await, &POSTURE));
    }
    assert_eq!(
        told,
        ["host web-01 offline", "host web-01 flapping", "host web-01 online"]
    );
}

#[tokio::test]
async fn hosts_that_move_between_pages_are_seen_and_deleted_ones_forgotten() {
    let (server, mut polled) = start(Fleet {
        hosts: vec![many(1_200)],
        // While the second page is asked for, hosts of the first are deleted: the rest moves up.
        faults: vec![fault(
            "/hosts",
            Some("page=1&"),
            None,
            What::DeleteHosts(vec![101, 102, 103]),
        )],
        ..fleet()
    })
    .await;
    let events = polled.complete().await;
    // Three hosts stood on no page. They are looked up as soon as they are known, by the next poll.
    let first = events.len();
    server.set_faults(Vec::new());
    let second = polled.complete().await.len();
    assert_eq!((first + second, second), (1_200, 3));

    for host in 601..=1_300 {
        server.set_host_status(host, HostStatus::Offline).unwrap();
    }
    server.set_faults(vec![fault(
        "/hosts",
        Some("page=1&"),
        None,
        What::DeleteHosts(vec![104, 105]),
    )]);
    let offline = polled.complete().await;
    assert_eq!(offline.len(), 700, "those that moved up are looked up at once");

    // A host that was deleted and enrols again is new, with a key of its own.
    server.set_faults(Vec::new());
    let again = server.enrol(&hosts(&["host-1"])[0]).unwrap();
    assert_eq!(again.len(), 1);
    assert_eq!(summary(&polled.complete().await, &POSTURE), ["host host-1 online"]);
}

#[tokio::test]
async fn a_page_that_is_cut_short_is_read_again_or_said_and_never_the_end_of_the_fleet() {
    let (server, mut polled) = start(Fleet {
        hosts: vec![many(1_100)],
        faults: vec![fault("/hosts", Some("page=1&"), Some(1), What::PartialHosts)],
        ..fleet()
    })
    .await;
    assert_eq!(polled.complete().await.len(), 1_100);

    for host in [700, 1_190] {
        server.set_host_status(host, HostStatus::Offline).unwrap();
    }
    server.set_faults(vec![fault("/hosts", Some("page=1&"), None, What::PartialHosts)]);
    let poll = polled.once(&[]).await;
    assert_eq!(poll.done.code(), 3, "{}", poll.done.stderr);
    assert_eq!(poll.events.len(), 1, "the third page was read all the same");
    assert!(poll.done.stderr.contains("cut short"), "{}", poll.done.stderr);
    server.set_faults(Vec::new());
    assert_eq!(summary(&polled.complete().await, &POSTURE), ["host host-600 offline"]);
}

#[tokio::test]
async fn a_status_that_is_not_known_is_told_as_it_is_and_announced_once() {
    let (server, mut polled) = start(Fleet {
        hosts: hosts(&["web-01", "web-02", "web-03", "db-01"]),
        ..fleet()
    })
    .await;
    polled.complete().await;
    let change = |hosts: &[u64], status| {
        for host in hosts {
            server.set_host_status(*host, HostStatus::Other(status)).unwrap();
        }
    };
    change(&[101, 102], "napping");
    let events = polled.complete().await;
    assert_eq!(
        summary(&events, &["kind", "code", "hostname", "status", "severity"]),
        [
            "host - web-01 napping info",
            "host - web-02 napping info",
            "notice unknown-host-status - - low"
        ]
    );
    let notice = events.iter().find(|event| event["kind"] == "notice").unwrap();
    let said = notice["description"].as_str().unwrap();
    assert!(said.starts_with("hosts that have it: 2, for example web-0"), "{said}");
    // Each poll is a process of its own: it is remembered, and said on stderr only.
    change(&[103], "napping");
    let poll = polled.once(&[]).await;
    assert_eq!(summary(&poll.events, &POSTURE), ["host web-03 napping"]);
    assert!(poll.done.stderr.contains("napping"), "{}", poll.done.stderr);
    change(&[104], "asleep");
    assert_eq!(
        summary(&polled.complete().await, &["kind", "code", "status"]),
        ["host - asleep", "notice unknown-host-status -"]
    );
}

#[tokio::test]
async fn a_host_that_cannot_be_looked_up_holds_up_no_other() {
    let (server, mut polled) = start_with(
        Fleet {
            hosts: vec![many(1_200)],
            ..fleet()
        },
        json!({"team_id": 0}),
        json!({}),
    )
    .await;
    polled.complete().await;
    server.delete_host(101).unwrap();
    server.delete_host(102).unwrap();
    // While the second page is asked for, hosts of the first are deleted: the rest moves up and is on no page.
    server.set_faults(vec![
        fault("/hosts", Some("page=1&"), None, What::DeleteHosts(vec![103, 104])),
        fault("/hosts/101", None, None, What::Status(500)),
    ]);
    for host in 601..=610 {
        server.set_host_status(host, HostStatus::Offline).unwrap();
    }
    let poll = polled.once(&[]).await;
    assert_eq!(poll.done.code(), 3, "{}", poll.done.stderr);
    assert_eq!(
        poll.events.len(),
        10,
        "hosts in no team are not forgotten when they move"
    );
    assert!(
        poll.done.stderr.contains("1 of the hosts that were on no page"),
        "{}",
        poll.done.stderr
    );
    server.set_faults(Vec::new());
    assert!(polled.complete().await.is_empty());
}
