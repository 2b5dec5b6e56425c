//! Saved queries and the rows that hosts returned.

use jiff::Timestamp;
use serde_json::{Value, json};
use sim::fleet::{Fleet, FleetServer, HostStatus, Logging, SavedQuery};
use sim::osquery::Row;
use sim::{Behaviour, Host, What};

use super::{assert_refused, assert_shape, each, get, host, hosts, of_version, once, read, server};

/// The statement of the queries here: a row for each port.
const PORTS: &str = "SELECT port, address FROM listening_ports ORDER BY port";

fn query(name: &str) -> SavedQuery {
    SavedQuery {
        name: name.into(),
        query: PORTS.into(),
        ..SavedQuery::default()
    }
}

/// Rows for these ports.
fn ports(ports: &[u16]) -> Vec<Row> {
    let row = |port| json!({"port": port, "address": "0.0.0.0"});
    let rows = ports.iter().map(|port| row(*port).as_object().unwrap().clone());
    rows.collect()
}

/// Lets hosts listen on these ports and run the first query then.
async fn run(server: &FleetServer, listening: &[(u64, &[u16])]) {
    for (host, listened) in listening {
        server.set_rows(*host, "listening_ports", ports(listened)).unwrap();
        server.run_saved_query(1, &[*host]).await.unwrap();
    }
}

/// The host and the port of each row, and whether the report is full.
fn rows(report: &Value) -> (Vec<(u64, u16)>, bool) {
    let rows = report["results"].as_array().unwrap().iter();
    let pair = |row: &Value| {
        let port = row["columns"]["port"].as_str().unwrap();
        (row["host_id"].as_u64().unwrap(), port.parse().unwrap())
    };
    (rows.map(pair).collect(), report["report_clipped"].as_bool().unwrap())
}

#[tokio::test]
async fn queries_and_reports_have_the_keys_and_names_of_their_version() {
    for (version, list, report) in [
        (
            "4.81.0",
            include_str!("fixtures/queries_list_200_pre_4_82.json"),
            include_str!("fixtures/report_200_pre_4_82.json"),
        ),
        (
            "4.89.2",
            include_str!("fixtures/queries_list_200.json"),
            include_str!("fixtures/report_200.json"),
        ),
        (
            "4.93.0",
            include_str!("fixtures/queries_list_200.json"),
            include_str!("fixtures/report_200_paged_4_93.json"),
        ),
    ] {
        let server = of_version(version, hosts(1)).await;
        server.add_saved_query(query("ports")).unwrap();
        run(&server, &[(101, &[22])]).await;
        let renamed = version > "4.82";
        for family in ["/queries", "/reports"] {
            if family == "/reports" && !renamed {
                for path in ["/reports", "/reports/1", "/reports/1/report"] {
                    assert_eq!(get(&server, path).await, (404, json!("404 page not found\n")));
                }
                continue;
            }
            assert_shape(&server, family, list).await;
            assert_shape(&server, &format!("{family}/1/report"), report).await;
            if renamed {
                assert_shape(&server, &format!("{family}/1"), include_str!("fixtures/query_200.json")).await;
            }
            let body = read(&server, &format!("{family}/1")).await;
            assert_eq!(
                (&body["query"]["query"], &body["query"]["logging"]),
                (&json!(PORTS), &json!("snapshot"))
            );
        }
    }
    let server = of_version("4.59.1", Vec::new()).await;
    assert_eq!(
        read(&server, "/queries?page=0&per_page=5").await,
        json!({"queries": []})
    );
}

#[tokio::test]
async fn lists_of_queries_are_filtered_ordered_and_paged() {
    let team = |name, team| SavedQuery {
        team_id: Some(team),
        ..query(name)
    };
    let server = server(Fleet {
        queries: vec![
            query("b"),
            SavedQuery {
                interval: 60,
                platform: "linux,darwin".into(),
                ..query("A")
            },
            team("c", 4),
            SavedQuery {
                platform: "windows".into(),
                ..query("d")
            },
            team("b", 3),
        ],
        ..Fleet::default()
    })
    .await;
    for (filter, ids, count, inherited, more) in [
        ("", vec![1, 2, 4], 3, 0, [false, false]),
        ("team_id=0", vec![1, 2, 4], 3, 0, [false, false]),
        ("team_id=4", vec![3], 1, 0, [false, false]),
        (
            "fleet_id=4&merge_inherited=true",
            vec![1, 2, 3, 4],
            4,
            3,
            [false, false],
        ),
        ("page=0&per_page=2", vec![1, 2], 3, 0, [true, false]),
        (
            "page=1&per_page=2&order_key=id&order_direction=asc",
            vec![4],
            3,
            0,
            [false, true],
        ),
        ("page=2&per_page=2", vec![], 3, 0, [false, true]),
        ("order_key=name&per_page=1", vec![2], 3, 0, [true, false]),
        (
            "order_key=interval&order_direction=desc",
            vec![4, 1, 2],
            3,
            0,
            [false, false],
        ),
        ("platform=macos", vec![1, 2], 2, 0, [false, false]),
        ("query=D", vec![4], 1, 0, [false, false]),
    ] {
        let body = read(&server, &format!("/reports?{filter}")).await;
        assert_eq!(each(&body["reports"], "id"), ids, "{filter}");
        assert_eq!(body["queries"], body["reports"]);
        assert_eq!(
            (&body["count"], &body["inherited_report_count"]),
            (&json!(count), &json!(inherited)),
            "{filter}"
        );
        let meta = json!({"has_next_results": more[0], "has_previous_results": more[1]});
        assert_eq!(body["meta"], meta, "{filter}");
    }
    assert_refused(
        &server,
        &[
            ("/queries?platform=beos", 400, "Invalid platform"),
            ("/queries?per_page=-1", 400, "Invalid per_page"),
            ("/queries?order_key=query", 422, "invalid order_key"),
            ("/queries/9", 404, "Query 9 was not found in the datastore"),
            ("/reports/9/report", 404, "Query 9 was not found in the datastore"),
            ("/reports/one", 404, "404 page not found\n"),
        ],
    )
    .await;
    assert!(server.add_saved_query(query("b")).is_err());
    server.delete_saved_query(4).unwrap();
    assert_eq!(server.add_saved_query(query("e")).unwrap(), 6);
    assert_eq!(each(&read(&server, "/queries").await["queries"], "id"), [1, 2, 6]);
}

#[tokio::test]
async fn a_report_has_the_last_rows_of_each_host_the_newest_first() {
    let described = vec![
        host("web-01"),
        Host {
            computer_name: Some("Dana's laptop".into()),
            online: false,
            ..host("web-02")
        },
        Host {
            behaviour: Behaviour::Silent,
            ..host("web-03")
        },
    ];
    let server = of_version("4.93.0", described).await;
    server.add_saved_query(query("ports")).unwrap();
    assert_eq!(rows(&read(&server, "/queries/1/report").await), (vec![], false));
    run(&server, &[(101, &[22]), (101, &[80, 443])]).await;
    server.advance_clock(10);
    run(&server, &[(102, &[3389]), (103, &[23])]).await;
    let report = read(&server, "/reports/1/report").await;
    assert_eq!(rows(&report), (vec![(102, 3389), (101, 80), (101, 443)], false));
    assert_eq!(
        each(&report["results"], "host_name"),
        ["Dana's laptop", "web-01", "web-01"]
    );
    assert_eq!(
        report["results"][0]["columns"],
        json!({"port": "3389", "address": "0.0.0.0"})
    );
    // Who has no rows any more is not in the report, just like the silent host, which never sent any.
    server.advance_clock(10);
    run(&server, &[(101, &[])]).await;
    assert_eq!(rows(&read(&server, "/queries/1/report").await).0, [(102, 3389)]);
    assert_eq!(
        read(&server, "/queries/1").await["query"]["stats"]["total_executions"],
        4
    );
}

#[tokio::test]
async fn runs_have_times_that_grow_unless_the_clock_is_set_back() {
    let server = of_version("4.93.0", hosts(2)).await;
    server.add_saved_query(query("ports")).unwrap();
    let mut times = Vec::new();
    for round in 0..4 {
        server.run_saved_query(1, &[101, 102]).await.unwrap();
        let fetched = each(&read(&server, "/queries/1/report").await["results"], "last_fetched");
        let first = fetched[0].as_str().unwrap().to_owned();
        assert!(
            fetched.iter().all(|time| *time == first.as_str()),
            "one time for each run"
        );
        // Whole seconds, as Fleet gives them.
        assert!(
            first.len() == "2026-09-20T06:30:11Z".len() && first.ends_with('Z'),
            "{first}"
        );
        times.push(first.parse::<Timestamp>().unwrap());
        match round {
            // An emptied report lets no time come again.
            0 => server
                .edit_saved_query(1, |query| query.query = format!("{PORTS} DESC"))
                .unwrap(),
            1 => server.advance_clock(-3_600),
            _ => {}
        }
    }
    let (before, after) = times.split_at(2);
    for times in [before, after] {
        assert!(times.is_sorted_by(|time, next| time < next), "{times:?}");
    }
    assert!(after[1] < before[0], "{times:?}");
}

#[tokio::test]
async fn a_full_report_freezes_before_4_93_and_then_keeps_refreshing_those_in_it() {
    for (version, cap, refreshed) in [
        ("4.92.0", 3, vec![(101, 1), (101, 2), (102, 3)]),
        ("4.93.0", 3, vec![(101, 1), (101, 9), (102, 8)]),
        // From 4.93 on there is a row for each host at least.
        ("4.93.0", 1, vec![(101, 1), (101, 9), (102, 8)]),
    ] {
        let server = server(Fleet {
            version: version.into(),
            report_cap: cap,
            hosts: hosts(3),
            queries: vec![query("ports")],
            ..Fleet::default()
        })
        .await;
        run(&server, &[(101, &[1, 2])]).await;
        assert!(!rows(&read(&server, "/queries/1/report").await).1);
        // The second row of 102 has no room any more, nor has 103.
        run(&server, &[(102, &[3, 4]), (103, &[5])]).await;
        let report = read(&server, "/queries/1/report").await;
        let (mut found, clipped) = rows(&report);
        found.sort_unstable();
        assert_eq!(
            (found, clipped),
            (vec![(101, 1), (101, 2), (102, 3)], true),
            "{version}"
        );
        run(&server, &[(101, &[1, 9]), (102, &[8]), (103, &[5])]).await;
        let (mut found, clipped) = rows(&read(&server, "/queries/1/report").await);
        found.sort_unstable();
        assert_eq!((found, clipped), (refreshed, true), "{version}");
    }
}

#[tokio::test]
async fn too_much_from_a_host_is_not_stored_from_4_93_on() {
    for (version, stored) in [("4.92.0", 1), ("4.93.0", 0)] {
        let server = of_version(version, hosts(1)).await;
        server.add_saved_query(query("ports")).unwrap();
        let row = json!({"port": 22, "address": "0".repeat(513 << 10)});
        let row = row.as_object().unwrap().clone();
        server.set_rows(101, "listening_ports", vec![row]).unwrap();
        server.run_saved_query(1, &[101]).await.unwrap();
        let report = read(&server, "/queries/1/report").await;
        assert_eq!(rows(&report).0.len(), stored, "{version}");
    }
}

#[tokio::test]
async fn rows_that_mean_something_else_now_are_deleted() {
    type Edit = fn(&mut SavedQuery);
    let edits: [(&str, Edit, bool); 6] = [
        ("statement", |query| query.query = "SELECT 1 AS port".into(), false),
        ("platform", |query| query.platform = "linux".into(), false),
        ("version", |query| query.min_osquery_version = "5.0.0".into(), false),
        ("discarding", |query| query.discard_data = true, false),
        ("logging", |query| query.logging = Logging::Differential, false),
        ("name", |query| query.name = "other".into(), true),
    ];
    for (what, edit, stays) in edits {
        let server = of_version("4.93.0", hosts(1)).await;
        server.add_saved_query(query("ports")).unwrap();
        run(&server, &[(101, &[22])]).await;
        server.edit_saved_query(1, edit).unwrap();
        let found = rows(&read(&server, "/queries/1/report").await).0;
        assert_eq!(!found.is_empty(), stays, "{what}");
        run(&server, &[(101, &[22])]).await;
        let stored = !rows(&read(&server, "/queries/1/report").await).0.is_empty();
        assert_eq!(stored, !["discarding", "logging"].contains(&what), "{what}");
    }
}

#[tokio::test]
async fn rows_go_with_the_host_and_are_read_by_team() {
    let team = |team| Host {
        team_id: Some(team),
        ..host("web")
    };
    let server = of_version("4.93.0", vec![team(3), team(4), host("web"), team(4)]).await;
    server.add_saved_query(query("ports")).unwrap();
    run(&server, &[(101, &[1]), (102, &[2]), (103, &[3]), (104, &[4])]).await;
    for (filter, found) in [
        ("?team_id=4", vec![(104, 4), (102, 2)]),
        ("?fleet_id=3", vec![(101, 1)]),
        ("?team_id=0", vec![(103, 3)]),
        ("", vec![(104, 4), (103, 3), (102, 2), (101, 1)]),
    ] {
        let (mut listed, _) = rows(&read(&server, &format!("/queries/1/report{filter}")).await);
        listed.sort_unstable_by(|row, other| other.cmp(row));
        assert_eq!(listed, found, "{filter}");
    }
    server.move_host(102, Some(3)).unwrap();
    server.delete_host(103).unwrap();
    server.set_faults(vec![once("/queries/1/report", "", What::DeleteHosts(vec![104]))]);
    assert_eq!(rows(&read(&server, "/queries/1/report").await).0, [(101, 1)]);
    server.set_host_status(101, HostStatus::Missing).unwrap();
    assert_eq!(
        rows(&read(&server, "/queries/1/report").await).0,
        [(101, 1)],
        "a host that is only missing stays"
    );
}

#[tokio::test]
async fn reports_come_in_pages_from_4_93_on() {
    for version in ["4.92.0", "4.93.0"] {
        let server = of_version(version, hosts(2)).await;
        server.add_saved_query(query("ports")).unwrap();
        run(&server, &[(101, &[1, 2])]).await;
        server.advance_clock(60);
        run(&server, &[(102, &[3])]).await;
        for (paging, paged) in [
            ("page=0&per_page=2", vec![(102, 3), (101, 1)]),
            ("page=1&per_page=2", vec![(101, 2)]),
            (
                "order_key=last_fetched&order_direction=asc",
                vec![(101, 1), (101, 2), (102, 3)],
            ),
            ("query=H-1", vec![(101, 1), (101, 2)]),
            ("", vec![(102, 3), (101, 1), (101, 2)]),
        ] {
            let report = read(&server, &format!("/queries/1/report?{paging}")).await;
            let expected = match version {
                "4.92.0" => vec![(102, 3), (101, 1), (101, 2)],
                _ => paged,
            };
            assert_eq!(rows(&report).0, expected, "{version} {paging}");
            assert_eq!(report.get("count").is_some(), version == "4.93.0");
        }
    }
}

#[tokio::test]
async fn reports_fail_and_are_slow_below_either_name() {
    let server = of_version("4.93.0", hosts(1)).await;
    server.add_saved_query(query("a")).unwrap();
    server.add_saved_query(query("b")).unwrap();
    for (fault, path, failing) in [
        ("/queries/1/report", "/queries/1/report", true),
        ("/reports/1/report", "/reports/1/report", true),
        ("/queries/1/report", "/reports/1/report", false),
        // A number alone is below both.
        ("/1/report", "/queries/1/report", true),
        ("/1/report", "/reports/1/report", true),
        ("/1/report", "/reports/2/report", false),
    ] {
        for (what, status) in [(What::Status(500), 500), (What::Delay(1), 200)] {
            server.set_faults(vec![once(fault, "", what)]);
            let (found, _) = get(&server, path).await;
            assert_eq!(found, if failing { status } else { 200 }, "{fault} {path}");
        }
    }
}

#[tokio::test]
async fn what_could_not_run_is_refused_and_what_fails_changes_nothing() {
    let failing = Behaviour::Error("distributed query is denylisted".into());
    let described = vec![
        host("web-01"),
        Host {
            behaviour: failing,
            ..host("web-02")
        },
    ];
    let server = of_version("4.93.0", described).await;
    server.add_saved_query(query("ports")).unwrap();
    server
        .add_saved_query(SavedQuery {
            interval: 0,
            ..query("never")
        })
        .unwrap();
    server
        .add_saved_query(SavedQuery {
            team_id: Some(4),
            ..query("of a team")
        })
        .unwrap();
    for (id, hosts, words) in [
        (9, vec![101], "there is no saved query 9"),
        (1, vec![101, 999], "there is no host 999"),
        (2, vec![101], "`never` has no interval and never runs"),
        (3, vec![101], "host 101 is not in the team of `of a team`"),
    ] {
        assert_eq!(server.run_saved_query(id, &hosts).await.unwrap_err(), words);
    }
    assert!(
        server
            .add_saved_query(SavedQuery {
                team_id: Some(9),
                ..query("x")
            })
            .is_err()
    );
    run(&server, &[(101, &[22]), (102, &[22])]).await;
    assert_eq!(rows(&read(&server, "/queries/1/report").await).0, [(101, 22)]);
}
