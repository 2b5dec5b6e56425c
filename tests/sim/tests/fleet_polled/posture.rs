//! Hosts, and who may see them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use sim::fleet::{Fleet, HostStatus, User};
use sim::{Fault, Host, What};

use super::{ask, assert_refused, assert_shape, each, get, host, hosts, of_version, once, read, server};

/// 101 is online, 102 offline and 103 missing; 101 and 103 are in teams.
fn three() -> Vec<Host> {
    vec![
        Host {
            team_id: Some(4),
            ..host("web-01")
        },
        Host {
            online: false,
            computer_name: Some("A laptop".into()),
            ..host("web-02")
        },
        Host {
            missing: true,
            team_id: Some(3),
            platform: "darwin".into(),
            ..host("db-01")
        },
    ]
}

#[tokio::test]
async fn hosts_and_users_have_the_keys_of_their_version() {
    let newer = of_version("4.93.0", three()).await;
    assert_shape(&newer, "/hosts", include_str!("fixtures/hosts_list_200.json")).await;
    assert_shape(&newer, "/me", include_str!("fixtures/me_200.json")).await;
    let older = server(Fleet {
        version: "4.81.0".into(),
        team_roles: BTreeMap::from([(4, "maintainer".into())]),
        hosts: three(),
        ..Fleet::default()
    })
    .await;
    assert_shape(&older, "/hosts", include_str!("fixtures/hosts_list_200_pre_4_82.json")).await;
    assert_shape(&older, "/me", include_str!("fixtures/me_200_team_user.json")).await;
}

#[tokio::test]
async fn lists_are_filtered_ordered_and_paged_and_counted_alike() {
    let server = of_version("4.93.0", three()).await;
    let new = server.enrol(&host("new-01")).unwrap();
    assert_eq!(new, [104]);
    for (filter, ids) in [
        ("", vec![101, 102, 103, 104]),
        ("status=online", vec![101, 104]),
        ("status=offline", vec![102, 103]),
        ("status=missing", vec![103]),
        ("status=mia", vec![103]),
        ("status=new", vec![104]),
        ("team_id=4", vec![101]),
        ("fleet_id=3", vec![103]),
        ("team_id=0", vec![102, 104]),
        ("team_id=9", vec![]),
        ("team_id=3&status=online", vec![]),
        ("query=WEB-0", vec![101, 102]),
        ("query=10.20.0.103", vec![103]),
        ("order_key=id&order_direction=desc", vec![104, 103, 102, 101]),
        ("order_key=hostname", vec![103, 104, 101, 102]),
        ("order_key=display_name&order_direction=desc", vec![101, 104, 103, 102]),
        ("order_key=seen_time&status=offline", vec![103, 102]),
        ("order_key=id&after=102", vec![103, 104]),
        ("order_key=id&order_direction=desc&after=103", vec![102, 101]),
        ("order_key=hostname&after=NEW-01", vec![101, 102]),
    ] {
        let listed = read(&server, &format!("/hosts?{filter}")).await;
        assert_eq!(each(&listed["hosts"], "id"), ids, "{filter}");
        let counted = read(&server, &format!("/hosts/count?{filter}")).await;
        if !filter.contains("after") {
            assert_eq!(counted, json!({"count": ids.len()}), "{filter}");
        }
    }
    for (paging, ids) in [
        ("page=0&per_page=3", vec![101, 102, 103]),
        ("page=1&per_page=3", vec![104]),
        ("page=2&per_page=3", vec![]),
        ("page=0", vec![101, 102, 103, 104]),
        ("per_page=1", vec![101]),
        ("page=1&per_page=1&order_key=hostname", vec![104]),
        ("page=1&per_page=1&status=offline", vec![103]),
        // Whoever counts pages on after `after` gets the same hosts again.
        ("page=5&per_page=1&order_key=id&after=102", vec![103]),
    ] {
        let listed = read(&server, &format!("/hosts?{paging}")).await;
        assert_eq!(each(&listed["hosts"], "id"), ids, "{paging}");
    }
    let conflict =
        "Conflicting field names: cannot specify both \"team_id\" (deprecated) and \"fleet_id\" in the same request";
    assert_refused(
        &server,
        &[
            ("/hosts?status=sleeping", 400, "Invalid status: sleeping"),
            ("/hosts?page=-1&per_page=5", 400, "Invalid page"),
            ("/hosts?per_page=0", 400, "Invalid per_page"),
            ("/hosts?team_id=Servers", 400, "Invalid team_id"),
            ("/hosts?team_id=4&fleet_id=4", 400, conflict),
            (
                "/hosts?order_key=id&order_direction=up",
                400,
                "unknown order_direction: up",
            ),
            (
                "/hosts?order_direction=desc",
                400,
                "order_key must be specified with after and order_direction",
            ),
            ("/hosts?order_key=node_key", 422, "invalid order_key"),
            ("/hosts/count?status=sleeping", 400, "Invalid status: sleeping"),
            ("/hosts/999", 404, "Host 999 was not found in the datastore"),
            ("/hosts/web-01", 404, "404 page not found\n"),
            ("/hosts/101/policies", 404, "404 page not found\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_status_says_when_a_host_was_last_seen_by_the_clock_of_the_server() {
    let server = of_version("4.93.0", hosts(1)).await;
    for (offset, status, shown, hours_ago) in [
        (0, HostStatus::Online, "online", 0),
        (90, HostStatus::Offline, "offline", 3),
        (-7 * 86_400, HostStatus::Missing, "offline", 31 * 24),
        (3 * 86_400, HostStatus::Online, "online", 0),
    ] {
        server.advance_clock(offset);
        server.set_host_status(101, status).unwrap();
        let answer = ask(&server, "/hosts/101").await;
        let date = answer.headers()["date"].to_str().unwrap().to_owned();
        let date = jiff::fmt::rfc2822::parse(&date).unwrap().timestamp();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let seen: Timestamp = body["host"]["seen_time"].as_str().unwrap().parse().unwrap();
        let ago = date.duration_since(seen).as_secs() - hours_ago * 3_600;
        assert_eq!(
            (&body["host"]["status"], (0..60).contains(&ago)),
            (&json!(shown), true),
            "{status:?}"
        );
    }
    // A host that stays offline goes missing by itself.
    server.set_host_status(101, HostStatus::Offline).unwrap();
    for (days, missing) in [(29, 0), (1, 1)] {
        server.advance_clock(days * 86_400);
        assert_eq!(read(&server, "/hosts/count?status=missing").await["count"], missing);
        assert_eq!(read(&server, "/hosts/count?status=offline").await["count"], 1);
    }
}

#[tokio::test]
async fn every_answer_has_the_date_of_the_server() {
    let server = server(Fleet {
        clock_offset_seconds: 86_400,
        faults: vec![once("/version", "", What::Status(500))],
        ..Fleet::default()
    })
    .await;
    for (path, status) in [
        ("/version", 500),
        ("/version", 200),
        ("/nothing", 404),
        ("/hosts?page=x", 400),
    ] {
        let answer = ask(&server, path).await;
        let date = jiff::fmt::rfc2822::parse(answer.headers()["date"].to_str().unwrap()).unwrap();
        let ahead = date.timestamp().duration_since(Timestamp::now()).as_secs();
        assert_eq!(
            (answer.status().as_u16(), (86_340..=86_400).contains(&ahead)),
            (status, true),
            "{path}"
        );
    }
}

#[tokio::test]
async fn scripts_change_hosts_while_the_server_runs() {
    let server = of_version("4.93.0", three()).await;
    server.delete_host(102).unwrap();
    server.move_host(101, None).unwrap();
    server.move_host(103, Some(4)).unwrap();
    assert_eq!(get(&server, "/hosts/102").await.0, 404);
    let listed = read(&server, "/hosts").await;
    assert_eq!(each(&listed["hosts"], "team_name"), [json!(null), json!("Servers")]);
    assert_eq!(each(&listed["hosts"], "fleet_id"), [json!(null), json!(4)]);
    // No id is given twice.
    server.delete_host(103).unwrap();
    assert_eq!(server.enrol(&hosts(2)[0]).unwrap(), [104, 105]);
    let enrolled = read(&server, "/hosts/identifier/h-2").await;
    assert_eq!(enrolled["host"]["id"], 105);
    for refused in [
        server.delete_host(102),
        server.set_host_status(102, HostStatus::Online),
        server.move_host(101, Some(9)),
        server.set_rows(101, "no_such_table", Vec::new()),
    ] {
        assert!(refused.unwrap_err().starts_with("there is no "));
    }
}

#[tokio::test]
async fn pages_shift_when_hosts_go_while_they_are_read() {
    let team = Some(4);
    for (what, seen) in [
        // 103 moves to the page that has been read already.
        (What::DeleteHosts(vec![101]), vec![101, 102, 104, 105]),
        (What::DeleteHosts(vec![101, 102, 103, 104]), vec![101, 102]),
        (What::MoveHosts(vec![102], Some(3)), vec![101, 102, 104, 105]),
        (What::DeleteHosts(vec![999]), vec![101, 102, 103, 104, 105]),
    ] {
        let server = of_version("4.93.0", Vec::new()).await;
        server
            .enrol(&Host {
                team_id: team,
                ..hosts(5).remove(0)
            })
            .unwrap();
        server.set_faults(vec![once("/hosts", "page=1&", what.clone())]);
        let mut found = Vec::new();
        for page in 0..4 {
            let path = format!("/hosts?page={page}&per_page=2&order_key=id&team_id=4");
            found.extend(each(&read(&server, &path).await["hosts"], "id"));
        }
        assert_eq!(found, seen, "{what:?}");
    }
}

#[tokio::test]
async fn faults_concern_one_page_and_end_when_they_are_cleared() {
    let server = of_version("4.93.0", hosts(6)).await;
    let cut_short = |times| Fault {
        times,
        ..once("/hosts", "page=1&", What::PartialHosts)
    };
    server.set_faults(vec![cut_short(None)]);
    for (page, ids, error) in [
        (0, vec![101, 102], false),
        (1, vec![103], true),
        (1, vec![103], true),
        (2, vec![105, 106], false),
    ] {
        let body = read(&server, &format!("/hosts?page={page}&per_page=2")).await;
        assert_eq!(
            (each(&body["hosts"], "id"), body.get("error").is_some()),
            (ids.into_iter().map(Value::from).collect(), error)
        );
    }
    server.set_faults(Vec::new());
    assert!(read(&server, "/hosts?page=1&per_page=2").await.get("error").is_none());
    server.set_faults(vec![once("/hosts", "page=2&", What::Status(500))]);
    for (page, status) in [(1, 200), (2, 500), (2, 200)] {
        assert_eq!(get(&server, &format!("/hosts?page={page}&per_page=2")).await.0, status);
    }
}

#[tokio::test]
async fn users_of_teams_see_their_own_hosts_only() {
    let server = server(Fleet {
        team_roles: BTreeMap::from([(4, "observer".into())]),
        hosts: three(),
        ..Fleet::default()
    })
    .await;
    let me = read(&server, "/me").await;
    assert_eq!(me["user"]["global_role"], json!(null));
    assert_eq!(
        me["user"]["teams"],
        json!([{"id": 4, "name": "Servers", "description": "", "role": "observer"}])
    );
    for path in ["/hosts", "/hosts?team_id=4"] {
        assert_eq!(each(&read(&server, path).await["hosts"], "id"), [101], "{path}");
    }
    assert_eq!(read(&server, "/hosts/count?team_id=3").await["count"], 0);
    assert_refused(
        &server,
        &[
            ("/hosts/103", 403, "forbidden"),
            ("/queries?team_id=3", 403, "forbidden"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_free_server_has_no_teams() {
    let free = || Fleet {
        premium: false,
        hosts: hosts(1),
        queries: vec![sim::fleet::SavedQuery {
            name: "q".into(),
            ..Default::default()
        }],
        ..Fleet::default()
    };
    let server = server(free()).await;
    let refusal = |path| (path, 400, "option team_id requires a premium license");
    assert_refused(
        &server,
        &[
            "/hosts?team_id=4",
            "/hosts/count?team_id=0",
            "/queries?team_id=4",
            "/queries/1/report?team_id=4",
        ]
        .map(refusal),
    )
    .await;
    assert_eq!(read(&server, "/hosts/count").await["count"], 1);
    for contradiction in [
        Fleet {
            hosts: vec![Host {
                team_id: Some(4),
                ..host("web-01")
            }],
            ..free()
        },
        Fleet {
            team_roles: BTreeMap::from([(4, "admin".into())]),
            ..free()
        },
    ] {
        assert!(sim::fleet::FleetServer::start(contradiction).await.is_err());
    }
}

#[tokio::test]
async fn a_user_who_logs_in_is_told_who_they_are() {
    let user = User {
        email: "dana@corp.example".into(),
        password: "correct horse".into(),
    };
    let server = server(Fleet {
        users: vec![user],
        ..Fleet::default()
    })
    .await;
    let login = reqwest::Client::new()
        .post(format!("{}/api/v1/fleet/login", server.url()))
        .header("content-type", "application/json")
        .body(json!({"email": "Dana@corp.example", "password": "correct horse"}).to_string());
    let login: Value = serde_json::from_str(&login.send().await.unwrap().text().await.unwrap()).unwrap();
    let me = reqwest::Client::new()
        .get(format!("{}/api/v1/fleet/me", server.url()))
        .header("authorization", format!("Bearer {}", login["token"].as_str().unwrap()));
    let me: Value = serde_json::from_str(&me.send().await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(me["user"], login["user"]);
    assert_eq!(
        (&me["user"]["email"], &me["user"]["api_only"]),
        (&json!("dana@corp.example"), &json!(false))
    );
}

#[tokio::test]
async fn a_description_may_be_json() {
    let fleet: Fleet = serde_json::from_value(json!({
        "version": "4.92.0",
        "premium": true,
        "teams": [{"id": 4, "name": "Servers"}],
        "team_roles": {"4": "observer_plus"},
        "hosts": [
            {"hostname": "web-{n}", "count": 2, "team_id": 4},
            {"hostname": "db-01", "team_id": 4, "missing": true},
        ],
        "queries": [
            {"name": "ports", "query": "SELECT port FROM listening_ports", "interval": 300, "platform": "linux"},
            {"name": "users", "query": "SELECT * FROM users", "team_id": 4, "logging": "differential", "discard_data": true},
        ],
        "report_cap": 500,
        "clock_offset_seconds": -120,
        "faults": [
            {"path": "/hosts", "query": "page=1&", "times": 1, "what": {"delete_hosts": [101]}},
            {"path": "/hosts", "times": 1, "what": {"move_hosts": [[102], null]}},
            {"path": "/1/report", "what": {"status": 500}},
        ],
    }))
    .unwrap();
    let server = server(fleet).await;
    assert_eq!(
        each(&read(&server, "/hosts").await["hosts"], "hostname"),
        ["web-1", "db-01"]
    );
    assert_eq!(
        each(
            &read(&server, "/reports?team_id=4&merge_inherited=1").await["reports"],
            "id"
        ),
        [1, 2]
    );
}

#[tokio::test]
async fn a_hundred_thousand_hosts_are_listed_quickly() {
    let server = of_version("4.93.0", hosts(100_000)).await;
    let client = reqwest::Client::new();
    let started = Instant::now();
    let mut bytes = 0;
    for page in 0..200 {
        let path = format!("/api/v1/fleet/hosts?page={page}&per_page=500&order_key=id&order_direction=asc");
        let request = client.get(format!("{}{path}", server.url()));
        let request = request.header("authorization", format!("Bearer {}", Fleet::default().token));
        bytes += request.send().await.unwrap().bytes().await.unwrap().len();
    }
    assert!(bytes > 100_000 * 1_000, "{bytes}");
    let took = started.elapsed();
    // Cloning all hosts for each page would take minutes.
    assert!(took < Duration::from_mins(1), "{took:?}");
}
