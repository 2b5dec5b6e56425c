//! The same situations against every fleet manager: one list, and for each of them what a playbook author sees.

mod server;
mod situations;

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use sim::Behaviour;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use self::server::{Manager, Server};
use self::situations::{Case, behaving, cases};
use crate::command::{Finished, finish, playbook, run};

const TOKEN: &str = "a-token-that-must-never-be-seen";

/// A playbook with one step, and the alert that names its hosts.
fn files(manager: Manager, targets: &[&str], timeout: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut params = json!({
        "backend": "fleetdm",
        "base_url": "{{ vars.url }}",
        "api_token": "{{ secrets.token }}",
        "template": "logged_in_users",
        "target_hosts": "{{ alert.hosts }}",
        "timeout_seconds": timeout,
    });
    if manager == Manager::Osctrl {
        params["backend"] = "osctrl".into();
        params["environment"] = "production".into();
    }
    let step = json!([{"id": "ask", "type": "osquery_live_query", "params": params}]);
    std::fs::write(folder.path().join("playbook.yaml"), step.to_string()).unwrap();
    std::fs::write(folder.path().join("alert.json"), json!({"hosts": targets}).to_string()).unwrap();
    folder
}

fn args(folder: &TempDir, url: &str) -> Vec<String> {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let alert = path("alert.json");
    let variable = format!("url={url}");
    [
        "run",
        &path("playbook.yaml"),
        "--alert",
        &alert,
        "--var",
        &variable,
        "--output",
        "json",
    ]
    .map(str::to_owned)
    .to_vec()
}

async fn ask(folder: &TempDir, url: &str, secret: &str) -> Finished {
    let args = args(folder, url);
    run(
        &args.iter().map(String::as_str).collect::<Vec<_>>(),
        &[("token", secret)],
    )
    .await
}

/// Everything that is wrong with how a case went.
async fn check(manager: Manager, case: Case) -> Option<String> {
    let server = Server::start(manager, &case).await;
    let folder = files(manager, case.targets, case.timeout);
    let done = ask(&folder, server.url(), case.secret).await;
    let mut wrong = Vec::new();
    let mut expect = |what: &str, holds: bool| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    expect("exit status", done.code() == case.status);
    let report: Value = serde_json::from_str(&done.stdout).unwrap_or_default();
    let step = &report["steps"][0];
    if let Some((results, timed_out, failed)) = case.result {
        let keys = |name: &str| -> Vec<String> {
            match &step["result"][name] {
                Value::Object(map) => map.keys().cloned().collect(),
                Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                _ => vec!["missing".into()],
            }
        };
        expect("results", keys("results") == results);
        expect("timed_out_hosts", keys("timed_out_hosts") == timed_out);
        expect("failed_hosts", keys("failed_hosts") == failed);
        let rows = step["result"]["results"].as_object();
        let one_row = |rows: &Value| {
            rows.as_array()
                .is_some_and(|rows| rows.len() == 1 && rows[0]["user"] == "root")
        };
        expect("rows", rows.is_some_and(|rows| rows.values().all(one_row)));
    }
    if let Some((kind, [message, hint])) = case.error {
        let text = |name: &str| step["error"][name].as_str().unwrap_or_default();
        expect("kind", text("kind") == kind);
        expect("message", text("message").contains(message));
        expect("hint", text("hint").contains(hint));
    }
    expect("queries started", server.queries() == case.queries);
    let unknown = server.unknown_paths();
    expect(
        "unknown paths",
        unknown.iter().all(|path| path.ends_with("/reports?per_page=1")),
    );
    expect(
        "the token was printed",
        !done.stdout.contains(case.secret) && !done.stderr.contains(case.secret),
    );
    // A query whose start was cut off has no name to end it by.
    if !case.name.starts_with("a body cut off") {
        let ended = tokio::time::timeout(Duration::from_secs(5), server.all_ended()).await;
        expect("nothing runs on", ended.is_ok());
    }
    (!wrong.is_empty()).then(|| {
        let (stdout, stderr) = (done.stdout, done.stderr);
        format!(
            "== {manager:?}: {}: wrong: {}\n{stdout}\n{stderr}",
            case.name,
            wrong.join(", ")
        )
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_situation_ends_alike_on_both_fleet_managers() {
    let both = [Manager::Fleet, Manager::Osctrl];
    let all = both
        .into_iter()
        .flat_map(|manager| cases().into_iter().map(move |case| (manager, case)));
    let failures: Vec<String> = futures::stream::iter(all)
        .map(|(manager, case)| check(manager, case))
        .buffer_unordered(12)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_stops_the_query_on_either() {
    for manager in [Manager::Fleet, Manager::Osctrl] {
        let case = Case {
            hosts: vec![
                behaving("web-01", Behaviour::Silent),
                behaving("web-02", Behaviour::Answer),
            ],
            ..Case::default()
        };
        let server = Server::start(manager, &case).await;
        let folder = files(manager, &["web-01", "web-02"], 600);
        let mut args = args(&folder, server.url());
        let output = args.iter().position(|arg| arg == "json").expect("it is the output");
        args[output] = "ndjson".into();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut child = playbook(&args, &[("token", TOKEN)]).spawn().unwrap();
        let pid = child.id().unwrap().to_string();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The host that answers has answered.
        while !lines.next_line().await.unwrap().expect("it runs").contains("\"part\"") {}
        let sent = tokio::process::Command::new("kill").args(["-INT", &pid]).status().await;
        assert!(sent.unwrap().success());
        let done = tokio::time::timeout(Duration::from_secs(10), finish(child)).await;
        let done = done.expect("it ends soon");
        assert_eq!(done.code(), 130, "{manager:?}: {}", done.stderr);
        let mut step = None;
        let mut run = None;
        while let Some(line) = lines.next_line().await.unwrap() {
            let line: Value = serde_json::from_str(&line).unwrap();
            match line["event"].as_str() {
                Some("step-finished") => step = Some(line["report"].clone()),
                Some("run-finished") => run = Some(line),
                _ => {}
            }
        }
        assert_eq!(run.unwrap()["status"], "interrupted");
        // What came is kept, and the rest is accounted for.
        let step = step.unwrap();
        assert_eq!(step["error"]["kind"], "cancelled", "{step}");
        let results = step["result"]["results"].as_object().unwrap();
        assert_eq!(results.keys().collect::<Vec<_>>(), ["web-02"], "{manager:?}");
        assert_eq!(step["result"]["timed_out_hosts"], json!(["web-01"]), "{manager:?}");
        let ended = tokio::time::timeout(Duration::from_secs(5), server.all_ended()).await;
        assert!(ended.is_ok(), "{manager:?}: the query runs on");
        assert_eq!(server.queries(), 1);
    }
}
