//! What is osctrl's own: selectors, counters, late and foreign answers, versions, logins.

use std::time::Duration;

use futures::StreamExt as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde_json::{Value, json};
use sim::osctrl::{Levels, Osctrl, OsctrlServer, User};
use sim::{Behaviour, Host};

use crate::command::{Finished, run};

const TOKEN: &str = "a-token-that-must-never-be-seen";

/// Asks hosts through this server. `changes` replaces params; null removes one.
async fn ask(server: &OsctrlServer, targets: &Value, changes: &Value) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let mut params = json!({
        "backend": "osctrl",
        "base_url": server.url(),
        "environment": "production",
        "api_token": "{{ secrets.token }}",
        "template": "logged_in_users",
        "target_hosts": "{{ alert.hosts }}",
        "timeout_seconds": 30,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => params.as_object_mut().unwrap().remove(name),
            value => params.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    let step = json!([{"id": "ask", "type": "osquery_live_query", "params": params}]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (playbook, alert) = (path("playbook.yaml"), path("alert.json"));
    std::fs::write(&playbook, step.to_string()).unwrap();
    std::fs::write(&alert, json!({"hosts": targets}).to_string()).unwrap();
    let args = ["run", &playbook, "--alert", &alert, "--output", "json"];
    run(&args, &[("token", TOKEN)]).await
}

async fn start(osctrl: Osctrl) -> OsctrlServer {
    let token = TOKEN.to_owned();
    OsctrlServer::start(Osctrl { token, ..osctrl }).await.unwrap()
}

fn host(name: &str) -> Host {
    Host {
        hostname: name.into(),
        ..Host::default()
    }
}

fn silent(name: &str) -> Host {
    Host {
        behaviour: Behaviour::Silent,
        ..host(name)
    }
}

fn step(done: &Finished) -> Value {
    done.report()["steps"][0].clone()
}

/// Every request for a query named uuids, in upper case and each once, and selected by nothing else.
fn assert_selected_by_uuid(server: &OsctrlServer) {
    for query in server.queries() {
        let body = query.request.as_object().unwrap();
        let mut fields: Vec<&str> = body.keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["exp_hours", "query", "uuid_list"]);
        assert!(body["exp_hours"].as_u64().unwrap() >= 1);
        let uuids: Vec<&str> = body["uuid_list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|uuid| uuid.as_str().unwrap())
            .collect();
        assert!(!uuids.is_empty());
        let mut unique = uuids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), uuids.len(), "{uuids:?}");
        assert!(
            uuids
                .iter()
                .all(|uuid| !uuid.is_empty() && *uuid == uuid.to_uppercase()),
            "{uuids:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_nodes_with_everything_that_osctrl_does_to_answers() {
    let many = |name: &str, count, behaviour| Host {
        count,
        behaviour,
        latency_ms: 50,
        ..host(name)
    };
    let server = start(Osctrl {
        hosts: vec![
            many("node-{n}", 95, Behaviour::Answer),
            many("twice-{n}", 100, Behaviour::Duplicate),
            many("quiet-{n}", 5, Behaviour::Silent),
            many("unasked-{n}", 300, Behaviour::Answer),
        ],
        stores_twice: true,
        foreign_answers: true,
        rows_late_ms: 300,
        ..Osctrl::default()
    })
    .await;
    let names = |name: &str, count: usize| (1..=count).map(move |n| format!("{name}-{n}")).collect::<Vec<_>>();
    let targets = [names("node", 95), names("twice", 100), names("quiet", 5)].concat();
    let done = ask(&server, &json!(targets), &json!({"timeout_seconds": 6})).await;
    assert_eq!(done.code(), 3, "{}", done.stderr);
    let result = &step(&done)["result"];
    let results = result["results"].as_object().unwrap();
    assert_eq!(results.len(), 195);
    assert!(
        results.values().all(|rows| rows.as_array().unwrap().len() == 1),
        "{results:?}"
    );
    assert_eq!(result["timed_out_hosts"], json!(names("quiet", 5)));
    assert_eq!(result["failed_hosts"], json!({}));
    assert!(!done.stdout.contains("stranger"));
    assert_selected_by_uuid(&server);
    let queries = server.queries();
    assert_eq!(queries.len(), 1);
    assert_eq!(queries[0].nodes.len(), 200);
    assert!(queries[0].expired);
    assert!(server.unknown_paths().is_empty(), "{:?}", server.unknown_paths());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_stored_twice_do_not_hide_the_next_one() {
    let slow = Host {
        latency_ms: 2_500,
        ..host("node-2")
    };
    let server = start(Osctrl {
        hosts: vec![host("node-1"), slow],
        stores_twice: true,
        rows_late_ms: 300,
        ..Osctrl::default()
    })
    .await;
    let done = ask(&server, &json!(["node-1", "node-2"]), &json!({"timeout_seconds": 120})).await;
    assert_eq!(done.code(), 0, "{}", done.stdout);
    let took = step(&done)["duration_ms"].as_u64().unwrap();
    assert!(took < 60_000, "it waited {took} ms for answers that it could read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_the_server_widened_is_expired_at_once() {
    for version in ["0.5.2", "0.5.4"] {
        let server = start(Osctrl {
            version: version.into(),
            hosts: vec![silent("node-1"), silent("node-2"), silent("node-3")],
            widens: true,
            ..Osctrl::default()
        })
        .await;
        let done = ask(&server, &json!(["node-1"]), &json!({})).await;
        assert_eq!(done.code(), 1, "{}", done.stderr);
        let error = &step(&done)["error"];
        assert_eq!(error["kind"], "protocol");
        assert!(
            error["message"].as_str().unwrap().contains("did not select the hosts"),
            "{error}"
        );
        let queries = server.queries();
        assert!(queries.len() == 1 && queries[0].expired, "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_from_0_5_2_on_works() {
    for version in ["0.5.2", "0.5.3", "0.5.4", "0.5.6"] {
        let server = start(Osctrl {
            version: version.into(),
            hosts: vec![host("node-1"), host("node-2")],
            ..Osctrl::default()
        })
        .await;
        for environment in ["production", "5b1f6f0e-3a52-4c0c-9a8e-7d2f6f1c0a11"] {
            let done = ask(&server, &json!(["node-1"]), &json!({"environment": environment})).await;
            assert_eq!(done.code(), 0, "{version}: {}", done.stdout);
        }
        assert!(
            server.unknown_paths().is_empty(),
            "{version}: {:?}",
            server.unknown_paths()
        );
        assert_selected_by_uuid(&server);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counted_answers_that_cannot_be_read_are_explained() {
    let server = start(Osctrl {
        hosts: vec![host("node-1"), host("node-2")],
        stores_answers: false,
        ..Osctrl::default()
    })
    .await;
    let done = ask(&server, &json!(["node-1", "node-2"]), &json!({})).await;
    assert_eq!(done.code(), 1, "{}", done.stdout);
    let error = &step(&done)["error"];
    assert_eq!(error["kind"], "unavailable");
    assert!(error["message"].as_str().unwrap().contains("2 answers"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("ALWAYS_LOG"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_was_counted_and_not_stored_is_a_failed_host() {
    let failing = Host {
        behaviour: Behaviour::Error("no such table: x".into()),
        ..host("node-2")
    };
    let server = start(Osctrl {
        hosts: vec![host("node-1"), failing],
        drops_errors: true,
        ..Osctrl::default()
    })
    .await;
    let done = ask(&server, &json!(["node-1", "node-2"]), &json!({})).await;
    assert_eq!(done.code(), 3, "{}", done.stdout);
    let failed = &step(&done)["result"]["failed_hosts"]["node-2"];
    assert!(failed.as_str().unwrap().contains("kept no message"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_expire_queries_is_warned() {
    let server = start(Osctrl {
        hosts: vec![host("node-1"), silent("node-2")],
        levels: Levels {
            admin: false,
            ..Levels::default()
        },
        ..Osctrl::default()
    })
    .await;
    let done = ask(&server, &json!(["node-1", "node-2"]), &json!({"timeout_seconds": 3})).await;
    assert_eq!(done.code(), 3, "{}", done.stdout);
    assert!(done.stderr.contains("could not be expired"), "{}", done.stderr);
    assert!(done.stderr.contains("level `admin`"), "{}", done.stderr);
    assert_eq!(step(&done)["result"]["timed_out_hosts"], json!(["node-2"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_and_what_can_be_wrong_with_them() {
    let users = vec![User {
        username: "soc".into(),
        password: TOKEN.into(),
    }];
    let osctrl = Osctrl {
        hosts: vec![host("node-1")],
        users,
        ..Osctrl::default()
    };
    let password = json!({"api_token": null, "username": "soc", "password": "{{ secrets.token }}"});
    let server = start(osctrl.clone()).await;
    let done = ask(&server, &json!(["node-1"]), &password).await;
    assert_eq!(done.code(), 0, "{}", done.stdout);
    assert_eq!(server.logins(), 1);
    assert!(!done.stdout.contains("session-token") && !done.stderr.contains("session-token"));

    let somebody_else = json!({"api_token": null, "username": "nobody", "password": "{{ secrets.token }}"});
    let second_factor = Osctrl {
        second_factor: true,
        ..osctrl.clone()
    };
    let old = Osctrl {
        version: "0.5.2".into(),
        ..osctrl.clone()
    };
    for (osctrl, params, words) in [
        (osctrl, &somebody_else, "osctrl refused the login"),
        (second_factor, &password, "second factor"),
        (old, &password, "no login by name and password alone"),
    ] {
        let server = start(osctrl).await;
        let done = ask(&server, &json!(["node-1"]), params).await;
        assert_eq!(done.code(), 1, "{}", done.stdout);
        let error = &step(&done)["error"];
        assert_eq!(error["kind"], "auth", "{error}");
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
        assert!(server.queries().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_does_not_exist_is_said() {
    let server = start(Osctrl {
        hosts: vec![host("node-1")],
        ..Osctrl::default()
    })
    .await;
    let done = ask(&server, &json!(["node-1"]), &json!({"environment": "staging"})).await;
    assert_eq!(done.code(), 1, "{}", done.stdout);
    let error = &step(&done)["error"];
    assert_eq!(error["kind"], "not-found");
    assert!(
        error["message"].as_str().unwrap().contains("no environment `staging`"),
        "{error}"
    );
    assert!(server.queries().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_another_login_ends_is_renewed_once() {
    let users = vec![User {
        username: "soc".into(),
        password: TOKEN.into(),
    }];
    let slow = Host {
        latency_ms: 3_000,
        ..host("node-1")
    };
    let server = start(Osctrl {
        hosts: vec![slow],
        users,
        ..Osctrl::default()
    })
    .await;
    let password = json!({"api_token": null, "username": "soc", "password": "{{ secrets.token }}"});
    let targets = json!(["node-1"]);
    let revoke = async {
        while server.queries().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server.revoke_sessions();
    };
    let (done, ()) = tokio::join!(ask(&server, &targets, &password), revoke);
    assert_eq!(done.code(), 0, "{}", done.stdout);
    assert_eq!(server.logins(), 2);
    assert_eq!(server.queries().len(), 1);
}

/// What an alert can hold where hosts are expected.
fn hosts_of_an_alert() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just(json!("node-1")),
        Just(json!("NODE-1")),
        Just(json!("node-2")),
        Just(json!("twin")),
        Just(json!("")),
        Just(json!("  ")),
        Just(json!("*")),
        Just(json!("%")),
        Just(json!("0A1B2C3D-0000-4000-8000-000000000001")),
        Just(json!("0a1b2c3d-0000-4000-8000-000000000001")),
        Just(json!(null)),
        Just(json!(7)),
        Just(json!({"type": "nodes"})),
        any::<String>().prop_map(Value::String),
    ];
    prop_oneof![
        4 => prop::collection::vec(name.clone(), 0..5).prop_map(Value::Array),
        1 => name,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_alert_makes_a_query_without_a_selector() {
    let hosts = vec![
        host("node-1"),
        host("node-2"),
        host("twin"),
        host("twin"),
        host("unasked"),
    ];
    let server = start(Osctrl {
        hosts,
        ..Osctrl::default()
    })
    .await;
    // Drawn first and asked at once: a query takes seconds, nearly all of them waiting.
    let mut runner = proptest::test_runner::TestRunner::default();
    let strategy = hosts_of_an_alert();
    let alerts: Vec<Value> = (0..60)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect();
    futures::stream::iter(&alerts)
        .for_each_concurrent(15, async |hosts| {
            let done = ask(&server, hosts, &json!({"timeout_seconds": 3})).await;
            assert!([0, 1, 2, 3].contains(&done.code()), "{hosts}: {}", done.stderr);
        })
        .await;
    assert!(!server.queries().is_empty());
    assert_selected_by_uuid(&server);
    // Whoever was selected was named: `unasked` never was, and a name that means two nodes selects neither.
    for query in server.queries() {
        assert!(
            query.nodes.iter().all(|node| [1, 2].contains(node)),
            "{:?}",
            query.request
        );
    }
}
