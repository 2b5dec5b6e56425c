//! The step against a simulated Fleet server, where a folder of files cannot say what is expected.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sim::fleet::{Fleet, FleetServer, User};
use sim::{Behaviour, Fault, Host, What};
use tempfile::TempDir;

use crate::command::{Finished, run};

const TOKEN: &str = "a-token-that-must-never-be-seen";

/// A playbook with one step, and the alert that names its hosts.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new(params: &Value, hosts: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut all = json!({
            "backend": "fleetdm",
            "base_url": "{{ vars.fleet_url }}",
            "template": "logged_in_users",
            "target_hosts": "{{ alert.hosts }}",
        });
        all.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
        let step = json!([{"id": "ask", "type": "osquery_live_query", "params": all}]);
        std::fs::write(folder.path().join("playbook.yaml"), step.to_string()).unwrap();
        std::fs::write(folder.path().join("alert.json"), json!({"hosts": hosts}).to_string()).unwrap();
        Self { folder }
    }

    fn args(&self, server: &FleetServer, more: &[&str]) -> Vec<String> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let mut args = vec![
            "run".to_owned(),
            path("playbook.yaml"),
            "--alert".into(),
            path("alert.json"),
        ];
        args.extend([
            "--var".to_owned(),
            format!("fleet_url={}", server.url()),
            "--output".into(),
            "json".into(),
        ]);
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        args
    }
}

async fn ask(server: &FleetServer, files: &Files, secrets: &[(&str, &str)]) -> Finished {
    let args = files.args(server, &[]);
    run(&args.iter().map(String::as_str).collect::<Vec<_>>(), secrets).await
}

fn token() -> Value {
    json!({"api_token": "{{ secrets.token }}"})
}

fn with(params: Value, more: &Value) -> Value {
    let mut params = params;
    params
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    params
}

fn names(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("host-{n}")).collect()
}

fn many(count: usize) -> Host {
    Host {
        hostname: "host-{n}".into(),
        count,
        latency_ms: 100,
        ..Host::default()
    }
}

async fn start(hosts: Vec<Host>, faults: Vec<Fault>) -> FleetServer {
    FleetServer::start(Fleet {
        token: TOKEN.into(),
        hosts,
        faults,
        ..Fleet::default()
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_hosts_of_which_ten_are_silent_end_at_the_deadline() {
    let silent = Host {
        hostname: "quiet-{n}".into(),
        count: 10,
        behaviour: Behaviour::Silent,
        ..Host::default()
    };
    let server = start(vec![many(990), silent], Vec::new()).await;
    let targets: Vec<String> = names(990)
        .into_iter()
        .chain((1..=10).map(|n| format!("quiet-{n}")))
        .collect();
    let done = ask(
        &server,
        &Files::new(&with(token(), &json!({"timeout_seconds": 10})), &targets),
        &[("token", TOKEN)],
    )
    .await;
    assert_eq!(done.code(), 3, "{}", done.stderr);
    let step = &done.report()["steps"][0];
    assert_eq!(step["result"]["results"].as_object().unwrap().len(), 990);
    assert_eq!(step["result"]["timed_out_hosts"].as_array().unwrap().len(), 10);
    assert_eq!(step["result"]["failed_hosts"], json!({}));
    let took = step["duration_ms"].as_u64().unwrap();
    assert!((10_000..12_000).contains(&took), "ended after {took} ms");
    server.all_campaigns_closed().await;
    // Two chunks of 500 make two campaigns, and every host is asked once.
    assert_eq!(
        server
            .campaigns()
            .iter()
            .map(|campaign| campaign.hosts.len())
            .collect::<Vec<_>>(),
        [500, 500]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_hosts_are_asked_in_chunks_and_looked_up_in_pages() {
    let server = start(
        vec![Host {
            latency_ms: 10,
            ..many(5_000)
        }],
        Vec::new(),
    )
    .await;
    let done = ask(
        &server,
        &Files::new(&with(token(), &json!({"timeout_seconds": 60})), &names(5_000)),
        &[("token", TOKEN)],
    )
    .await;
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert_eq!(
        done.report()["steps"][0]["result"]["results"]
            .as_object()
            .unwrap()
            .len(),
        5_000
    );
    let requests = server.requests();
    assert!(requests.len() < 60, "{} requests", requests.len());
    server.all_campaigns_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_ends_as_soon_as_everybody_has_answered() {
    let server = start(vec![many(20)], Vec::new()).await;
    let began = Instant::now();
    let done = ask(
        &server,
        &Files::new(&with(token(), &json!({"timeout_seconds": 60})), &names(20)),
        &[("token", TOKEN)],
    )
    .await;
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert!(began.elapsed() < Duration::from_secs(30), "it waited for the deadline");
    server.all_campaigns_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_used_for_exactly_one_login() {
    let users = vec![User {
        email: "soc@corp.example".into(),
        password: TOKEN.into(),
    }];
    let server = FleetServer::start(Fleet {
        users,
        hosts: vec![many(600)],
        ..Fleet::default()
    })
    .await
    .unwrap();
    let params = json!({"username": "soc@corp.example", "password": "{{ secrets.password }}"});
    let done = ask(&server, &Files::new(&params, &names(600)), &[("password", TOKEN)]).await;
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert_eq!(server.logins(), 1);
    // The session's token is as secret as the password.
    assert!(!done.stdout.contains("session-token") && !done.stderr.contains("session-token"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_expires_on_the_way_is_renewed_once() {
    let users = vec![User {
        email: "soc@corp.example".into(),
        password: TOKEN.into(),
    }];
    let faults = vec![Fault {
        query: None,
        path: "/hosts".into(),
        times: Some(1),
        what: What::Status(401),
    }];
    let fleet = Fleet {
        users,
        faults,
        hosts: vec![many(1)],
        ..Fleet::default()
    };
    let server = FleetServer::start(fleet).await.unwrap();
    let params = json!({"username": "soc@corp.example", "password": "{{ secrets.password }}"});
    let done = ask(&server, &Files::new(&params, &names(1)), &[("password", TOKEN)]).await;
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert_eq!(server.logins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_is_never_started_twice() {
    for what in [What::Status(503), What::Truncate] {
        let faults = vec![Fault {
            query: None,
            path: "/reports/run".into(),
            times: Some(1),
            what: what.clone(),
        }];
        let server = start(vec![many(1)], faults).await;
        let done = ask(&server, &Files::new(&token(), &names(1)), &[("token", TOKEN)]).await;
        assert_eq!(done.code(), 1, "{what:?}: {}", done.stderr);
        let starts = server
            .requests()
            .iter()
            .filter(|request| request.path.ends_with("/run"))
            .count();
        assert_eq!(starts, 1, "{what:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_not_printed_at_any_verbosity() {
    // The agent's error message repeats the token: a server can say anything.
    let leaky = Host {
        hostname: "leaky".into(),
        behaviour: Behaviour::Error(format!("bad token {TOKEN}")),
        ..Host::default()
    };
    let server = start(vec![leaky, many(1)], Vec::new()).await;
    let files = Files::new(&token(), &["leaky".into(), "host-1".into(), "nobody".into()]);
    for verbosity in ["-v", "-vv", "-vvv", "-vvvv"] {
        let args = files.args(&server, &[verbosity]);
        let done = run(
            &args.iter().map(String::as_str).collect::<Vec<_>>(),
            &[("token", TOKEN)],
        )
        .await;
        assert_eq!(done.code(), 3, "{}", done.stderr);
        assert!(done.stdout.contains("bad token [secret token]"), "{}", done.stdout);
        assert!(
            !done.stdout.contains(TOKEN) && !done.stderr.contains(TOKEN),
            "{verbosity}: {}",
            done.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_without_websockets_is_told_and_gone_round() {
    let faults = vec![Fault {
        query: None,
        path: "/results/websocket".into(),
        times: None,
        what: What::Status(400),
    }];
    let server = start(vec![many(30)], faults).await;
    let done = ask(&server, &Files::new(&token(), &names(30)), &[("token", TOKEN)]).await;
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert!(done.stderr.contains("websocket was refused"), "{}", done.stderr);
    assert!(server.campaigns().is_empty());
}
