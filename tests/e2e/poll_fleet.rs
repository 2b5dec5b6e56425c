//! Polling a Fleet server: the status of hosts, and both streams together; each change is told once.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use sim::fleet::{Fleet, FleetServer, HostStatus, SavedQuery, Team};
use sim::{Fault, Host, What};

use crate::command::finish;
use crate::polled::{Polled, TOKEN, summary};
use sim::scripted_fleet::{CYCLES, KINDS, SLOW, Script, assert_told, in_words};

const POSTURE: [&str; 3] = ["kind", "hostname", "status"];
pub(crate) const ROWS: [&str; 4] = ["query_name", "hostname", "username", "severity"];

pub(crate) fn fleet() -> Fleet {
    Fleet {
        token: TOKEN.into(),
        role: "observer".into(),
        ..Fleet::default()
    }
}

pub(crate) fn hosts(names: &[&str]) -> Vec<Host> {
    let host = |name: &&str| Host {
        hostname: (*name).into(),
        ..Host::default()
    };
    names.iter().map(host).collect()
}

fn many(count: usize) -> Host {
    Host {
        hostname: "host-{n}".into(),
        count,
        ..Host::default()
    }
}

pub(crate) fn users(name: &str) -> SavedQuery {
    SavedQuery {
        name: name.into(),
        query: "SELECT username FROM users".into(),
        ..SavedQuery::default()
    }
}

fn fault(path: &str, query: Option<&str>, times: Option<usize>, what: What) -> Fault {
    Fault {
        path: path.into(),
        query: query.map(str::to_owned),
        times,
        what,
    }
}

/// Sets the users of a host.
pub(crate) fn set_users(server: &FleetServer, host: u64, names: &[&str]) {
    let rows = names
        .iter()
        .map(|name| Map::from_iter([("username".to_owned(), json!(name))]));
    server.set_rows(host, "users", rows.collect()).unwrap();
}

pub(crate) async fn start(fleet: Fleet) -> (FleetServer, Polled) {
    start_with(fleet, json!({}), json!({})).await
}

pub(crate) async fn start_with(fleet: Fleet, config: Value, options: Value) -> (FleetServer, Polled) {
    let server = FleetServer::start(fleet).await.unwrap();
    let polled = Polled::new("fleetdm", server.url(), &config, &options);
    (server, polled)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scripted_fleet_is_told_exactly_with_one_report_failing_and_one_slow() {
    /// The cycle in which the slow report is as slow as reports get.
    const SLOWEST: usize = 3;
    let server = FleetServer::start(Script::fleet(fleet())).await.unwrap();
    let mut polled = Polled::new("fleetdm", server.url(), &json!({}), &json!({}));
    let mut script = Script::new();
    for cycle in 0..CYCLES {
        let slow = Duration::from_millis(if cycle == SLOWEST { 20_000 } else { 1_000 });
        let expected = script.play(&server, slow).await;
        let polling = polled.command(&["--once"]).spawn().unwrap();
        let mut events = Vec::new();
        if cycle == SLOWEST {
            events = everything_but_the_slow_report(&server, &mut polled, &expected).await;
        }
        let done = finish(polling).await;
        events.extend(polled.delivered());
        assert_eq!(done.code(), if script.is_last() { 0 } else { 3 }, "{}", done.stderr);
        let notices = events.iter().filter(|event| event["kind"] == "notice");
        let notices: Vec<String> = notices.map(|notice| notice["code"].to_string()).collect();
        // The fifth failure in a row is alarming, and so is its end worth telling.
        let due: &[&str] = match cycle {
            4 => &["\"report-failing\""],
            _ if script.is_last() => &["\"report-recovered\""],
            _ => &[],
        };
        assert_eq!(notices, due, "cycle {cycle}");
        let told = events.iter().filter_map(in_words).collect();
        assert_told(&format!("cycle {cycle}"), told, &expected);
    }
    let text = std::fs::read_to_string(polled.path("events.ndjson")).unwrap();
    let keys = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["dedupe_key"].to_string());
    let distinct: std::collections::HashSet<String> = keys.collect();
    assert_eq!(distinct.len(), text.lines().count(), "every event has a key of its own");
    assert_eq!(server.unknown_paths(), Vec::<String>::new());
}

/// Waits until everything is delivered that does not come of the slow report, and returns it. Panics if it takes until that
/// report has come.
async fn everything_but_the_slow_report(server: &FleetServer, polled: &mut Polled, expected: &[String]) -> Vec<Value> {
    let of_slow = format!(" query-{SLOW} ");
    let (slow, others): (Vec<&String>, Vec<&String>) = expected.iter().partition(|line| line.contains(&of_slow));
    assert!(!slow.is_empty() && others.iter().any(|line| line.starts_with("host ")));
    let (mut events, began) = (Vec::new(), Instant::now());
    while events.iter().filter_map(in_words).count() < others.len() {
        assert!(began.elapsed() < Duration::from_mins(2), "{} events", events.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
        events.extend(polled.delivered());
    }
    let mut told: Vec<String> = events.iter().filter_map(in_words).collect();
    told.sort();
    assert!(
        told.iter().eq(others),
        "the slow report came before the others were through"
    );
    let requests = server.requests();
    let path = format!("/{SLOW}/report");
    let report = requests.iter().rfind(|request| request.path.ends_with(&path)).unwrap();
    assert_eq!(report.status, None, "it is still waited for");
    events
}

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

#[tokio::test]
async fn time_is_the_servers() {
    let (server, mut polled) = start(Fleet {
        hosts: hosts(&["web-01"]),
        clock_offset_seconds: -86_400 * 400,
        ..fleet()
    })
    .await;
    let events = polled.complete().await;
    let told: jiff::Timestamp = events[0]["time"].as_str().unwrap().parse().unwrap();
    let ago = jiff::Timestamp::now().duration_since(told);
    assert!((ago.as_hours() - 400 * 24).abs() < 2, "{told}");
    assert_eq!(server.unknown_paths(), Vec::<String>::new());
}

#[tokio::test]
async fn every_form_of_event_fits_its_schema() {
    for (form, schema) in [("aisoc", "event"), ("ocsf", "event.ocsf"), ("ecs", "event.ecs")] {
        let path = format!("{}/../../schemas/{schema}.schema.json", env!("CARGO_MANIFEST_DIR"));
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        let queries = KINDS.map(|(table, ..)| SavedQuery {
            name: table.into(),
            query: format!("SELECT * FROM {table}"),
            ..SavedQuery::default()
        });
        let (server, mut polled) = start(Fleet {
            hosts: hosts(&["web-01"]),
            queries: queries.to_vec(),
            report_cap: 5,
            ..fleet()
        })
        .await;
        for (number, (table, column, _)) in (1..).zip(KINDS) {
            let row = Map::from_iter([(column.to_owned(), json!("some-value"))]);
            server.set_rows(101, table, vec![row]).unwrap();
            server.run_saved_query(number, &[101]).await.unwrap();
        }
        server.edit_saved_query(1, |query| query.discard_data = true).unwrap();
        let poll = polled.once(&["--format", form]).await;
        assert_eq!(poll.done.code(), 0, "{}", poll.done.stderr);
        assert_eq!(poll.events.len(), 1 + 7 + 1, "a host, rows and a notice");
        for event in &poll.events {
            let wrong: Vec<String> = schema
                .iter_errors(event)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(wrong.is_empty(), "{form}: {wrong:?}\n{event:#}");
        }
        let port = poll
            .events
            .iter()
            .find(|event| event.to_string().contains("listening_ports"));
        let mut shown = port.unwrap().clone();
        for pointer in [
            "/time",
            "/timestamp",
            "/@timestamp",
            "/dedupe_key",
            "/alert_id",
            "/metadata/uid",
            "/metadata/original_time",
            "/metadata/product/url_string",
            "/event/id",
            "/event/reference",
        ] {
            if let Some(varying) = shown.pointer_mut(pointer) {
                *varying = "…".into();
            }
        }
        insta::assert_json_snapshot!(format!("event_{form}"), shown);
    }
}
