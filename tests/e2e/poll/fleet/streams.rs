//! The status of hosts and the rows of saved queries together.

use serde_json::json;
use sim::fleet::{Fleet, HostStatus, SavedQuery, Team};
use sim::{Host, What};

use super::{POSTURE, fault, fleet, hosts, set_users, start, start_with, users};
use crate::poll::polled::summary;

#[tokio::test]
async fn the_first_poll_tells_the_baseline_or_only_remembers_it() {
    for (initial, told) in [("emit", 4), ("skip", 0)] {
        let (server, mut polled) = start_with(
            Fleet {
                hosts: hosts(&["web-01", "web-02"]),
                queries: vec![users("who")],
                ..fleet()
            },
            json!({}),
            json!({"initial": initial}),
        )
        .await;
        for host in [101, 102] {
            set_users(&server, host, &["root"]);
        }
        server.run_saved_query(1, &[101, 102]).await.unwrap();
        assert_eq!(polled.complete().await.len(), told, "{initial}");
        assert!(polled.complete().await.is_empty(), "{initial}: nothing has changed");
        server.set_host_status(101, HostStatus::Offline).unwrap();
        server.advance_clock(60);
        server.run_saved_query(1, &[102]).await.unwrap();
        let events = polled.complete().await;
        assert_eq!(
            summary(&events, &["kind", "hostname"]),
            ["host web-01", "query_row web-02"],
            "{initial}"
        );
    }
}

#[tokio::test]
async fn hosts_and_reports_do_not_hold_up_each_other() {
    let (server, mut polled) = start(Fleet {
        hosts: hosts(&["web-01", "web-02"]),
        queries: vec![users("who"), users("who else")],
        faults: vec![fault("/hosts", None, None, What::Status(403))],
        ..fleet()
    })
    .await;
    for query in [1, 2] {
        server.run_saved_query(query, &[101, 102]).await.unwrap();
    }
    let poll = polled.once(&[]).await;
    assert_eq!(poll.done.code(), 1);
    assert!(poll.done.stderr.contains("hosts: failed"), "{}", poll.done.stderr);
    let kinds = summary(&poll.events, &["kind", "code"]);
    assert_eq!(
        kinds,
        [
            "notice access-lost",
            "query_row -",
            "query_row -",
            "query_row -",
            "query_row -"
        ]
    );

    server.set_faults(vec![fault("/reports", None, None, What::Status(403))]);
    let poll = polled.once(&[]).await;
    assert_eq!(poll.done.code(), 1);
    assert_eq!(
        summary(&poll.events, &["kind", "code", "hostname"]),
        [
            "host - web-01",
            "host - web-02",
            "notice access-lost -",
            "notice source-recovered -"
        ]
    );
}

#[tokio::test]
async fn a_team_is_its_hosts_its_queries_and_those_it_inherits() {
    for version in ["4.50.0", "4.92.0", "4.93.0"] {
        let of_team = |team: Option<u64>, name: &str| Host {
            team_id: team,
            ..hosts(&[name])[0].clone()
        };
        let (server, mut polled) = start_with(
            Fleet {
                version: version.into(),
                teams: vec![
                    Team {
                        id: 3,
                        name: "Servers".into(),
                    },
                    Team {
                        id: 4,
                        name: "Laptops".into(),
                    },
                ],
                hosts: vec![
                    of_team(Some(3), "web-01"),
                    of_team(Some(4), "laptop-1"),
                    of_team(None, "lost-1"),
                ],
                queries: vec![
                    users("global"),
                    SavedQuery {
                        team_id: Some(3),
                        ..users("of servers")
                    },
                    SavedQuery {
                        team_id: Some(4),
                        ..users("of laptops")
                    },
                ],
                ..fleet()
            },
            json!({"team_id": 3}),
            json!({}),
        )
        .await;
        for host in 101..=103 {
            set_users(&server, host, &["root"]);
        }
        server.run_saved_query(1, &[101, 102, 103]).await.unwrap();
        server.run_saved_query(2, &[101]).await.unwrap();
        server.run_saved_query(3, &[102]).await.unwrap();
        let events = polled.complete().await;
        let told = summary(&events, &["kind", "query_name", "hostname"]);
        assert_eq!(
            told,
            [
                "host - web-01",
                "query_row global web-01",
                "query_row of servers web-01"
            ],
            "{version}"
        );
        // A host that leaves the team is forgotten; one that comes is new.
        server.move_host(101, Some(4)).unwrap();
        server.move_host(102, Some(3)).unwrap();
        assert_eq!(
            summary(&polled.complete().await, &POSTURE),
            ["host laptop-1 online"],
            "{version}"
        );
    }
}
