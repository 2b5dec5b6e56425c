//! Rows of saved queries, read from the reports of a Fleet server.

use serde_json::{Value, json};
use sim::fleet::{Fleet, HostStatus, SavedQuery};

use super::{ROWS, fleet, hosts, set_users, start, start_with, users};
use crate::poll::polled::{Polled, summary};

#[tokio::test]
async fn full_frozen_and_discarded_reports_are_announced_once() {
    for (version, code) in [("4.92.0", "report-frozen"), ("4.93.0", "report-clipped")] {
        let discarding = SavedQuery {
            discard_data: true,
            ..users("thrown away")
        };
        let (server, mut polled) = start(Fleet {
            version: version.into(),
            hosts: hosts(&["web-01"]),
            queries: vec![users("who"), discarding],
            report_cap: 2,
            ..fleet()
        })
        .await;
        set_users(&server, 101, &["root", "deploy"]);
        server.run_saved_query(1, &[101]).await.unwrap();
        let notices = |events: &[Value]| {
            let notices: Vec<Value> = events
                .iter()
                .filter(|event| event["kind"] == "notice")
                .cloned()
                .collect();
            summary(&notices, &["code", "severity"])
        };
        let told = notices(&polled.complete().await).join(", ");
        let both = [format!("{code} medium"), "report-discarded low".to_owned()];
        assert!(
            told.len() == both.join(", ").len() && both.iter().all(|one| told.contains(one)),
            "{told}"
        );
        assert!(polled.complete().await.is_empty(), "once");
        // What no longer holds is told again when it holds again.
        server.edit_saved_query(1, |query| query.discard_data = true).unwrap();
        assert_eq!(notices(&polled.complete().await), ["report-discarded low"]);
    }
}

#[tokio::test]
async fn equal_rows_are_told_again_unless_only_changed_ones_are_wanted() {
    for (rows, again) in [
        ("all", vec!["who web-01 deploy medium", "who web-01 root medium"]),
        ("changed", vec!["who web-01 deploy medium"]),
    ] {
        let (server, mut polled) = start_with(
            Fleet {
                hosts: hosts(&["web-01"]),
                queries: vec![users("who")],
                ..fleet()
            },
            json!({}),
            json!({"rows": rows}),
        )
        .await;
        set_users(&server, 101, &["root"]);
        server.run_saved_query(1, &[101]).await.unwrap();
        polled.complete().await;
        server.advance_clock(60);
        set_users(&server, 101, &["root", "deploy"]);
        server.run_saved_query(1, &[101]).await.unwrap();
        assert_eq!(summary(&polled.complete().await, &ROWS), again, "{rows}");
    }
}

#[tokio::test]
async fn rows_that_come_after_the_servers_clock_was_set_back_are_told() {
    let (server, mut polled) = start(Fleet {
        hosts: hosts(&["web-01", "web-02"]),
        queries: vec![users("who")],
        ..fleet()
    })
    .await;
    for host in [101, 102] {
        set_users(&server, host, &["root"]);
    }
    server.run_saved_query(1, &[101, 102]).await.unwrap();
    polled.complete().await;
    server.advance_clock(-3_600);
    set_users(&server, 101, &["deploy"]);
    server.run_saved_query(1, &[101]).await.unwrap();
    assert_eq!(summary(&polled.complete().await, &ROWS), ["who web-01 deploy medium"]);
    assert!(polled.complete().await.is_empty());
}

#[tokio::test]
async fn a_report_that_stands_still_while_its_query_runs_is_an_alarm_once_until_it_moves() {
    let (server, mut polled) = start(Fleet {
        hosts: hosts(&["web-01", "web-02"]),
        queries: vec![users("who")],
        ..fleet()
    })
    .await;
    set_users(&server, 101, &["root"]);
    set_users(&server, 102, &[]);
    server.run_saved_query(1, &[101, 102]).await.unwrap();
    polled.complete().await;
    let codes = async |polled: &mut Polled, asked: &[u64]| {
        server.advance_clock(4 * 3_600);
        server.run_saved_query(1, asked).await.unwrap();
        summary(&polled.complete().await, &["kind", "code", "status"])
    };
    // While the one host with rows is away, runs of others are no news. Neither are they just after it has come back.
    server.set_host_status(101, HostStatus::Offline).unwrap();
    assert_eq!(codes(&mut polled, &[102]).await, ["host - offline"]);
    for _ in 0..6 {
        assert!(codes(&mut polled, &[102]).await.is_empty());
    }
    server.set_host_status(101, HostStatus::Online).unwrap();
    assert_eq!(codes(&mut polled, &[102]).await, ["host - online"]);
    assert_eq!(codes(&mut polled, &[101, 102]).await, ["query_row - -"]);
    // A query that nobody runs has no news.
    for _ in 0..6 {
        assert!(codes(&mut polled, &[]).await.is_empty());
    }

    server.set_stores_reports(false);
    let mut told = Vec::new();
    for poll in 1..=8 {
        let said = codes(&mut polled, &[101, 102]).await;
        told.extend(said.into_iter().map(|said| (poll, said)));
    }
    assert_eq!(told, [(5, "notice report-stalled -".to_owned())]);
    server.set_stores_reports(true);
    assert_eq!(
        codes(&mut polled, &[101, 102]).await,
        ["notice report-moving -", "query_row - -"]
    );
}
