//! Control flow, where a case folder cannot say what is expected.

use std::time::Duration;

use serde_json::json;
use sim::fleet::{Fleet, FleetServer};
use sim::{Fault, Host, What};
use tempfile::TempDir;

use crate::command::{finish, playbook, run};

const TOKEN: &str = "a-token-that-must-never-be-seen";

const TRIAGE: &str = r#"
name: Look closer
vars: {fleet_url: null, hosts: [web-01, ghost, web-02]}
steps:
- id: serious
  name: Is it serious?
  type: condition
  condition: severity in ['high', 'critical']
  next_true: each
  next_false: between
- id: between
  type: osquery_live_query
  params: &ask
    backend: fleetdm
    base_url: "{{ vars.fleet_url }}"
    api_token: "{{ secrets.token }}"
    template: logged_in_users
    target_hosts: [web-01]
    timeout_seconds: 10
- id: each
  type: osquery_live_query
  for_each: "{{ vars.hosts }}"
  concurrency: 3
  retry_max: 1
  on_failure: continue
  params:
    backend: fleetdm
    base_url: "{{ vars.fleet_url }}"
    api_token: "{{ secrets.token }}"
    template: logged_in_users
    target_hosts: ["{{ item }}"]
    timeout_seconds: 10
- id: none
  type: osquery_live_query
  for_each: "{{ [] }}"
  params: *ask
- id: summary
  type: osquery_live_query
  when: steps.each.status == 'success'
  params: *ask
- id: disabled
  enabled: false
  type: osquery_live_query
  params: *ask
"#;

fn files(playbook: &str, alert: &serde_json::Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("playbook.yaml"), playbook).unwrap();
    std::fs::write(folder.path().join("alert.json"), alert.to_string()).unwrap();
    folder
}

fn args(folder: &TempDir, server: &FleetServer, output: &str) -> Vec<String> {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let url = format!("fleet_url={}", server.url());
    [
        "run",
        &path("playbook.yaml"),
        "--alert",
        &path("alert.json"),
        "--var",
        &url,
        "--output",
        output,
    ]
    .map(str::to_owned)
    .into()
}

async fn start(faults: Vec<Fault>) -> FleetServer {
    let host = |name: &str| Host {
        hostname: name.into(),
        tables: serde_json::from_value(json!({"logged_in_users": []})).unwrap(),
        ..Host::default()
    };
    FleetServer::start(Fleet {
        token: TOKEN.into(),
        status_interval_ms: 50,
        hosts: vec![host("web-01"), host("web-02")],
        faults,
        ..Fleet::default()
    })
    .await
    .unwrap()
}

/// What was printed, without what differs from run to run.
fn stable(stdout: &str) -> String {
    let words = stdout.lines().map(|line| {
        let line = line.split("  run ").next().unwrap_or_default();
        let mut words: Vec<&str> = line.split(' ').collect();
        for at in 1..words.len() {
            if words[at - 1].parse::<f64>().is_ok() && ["s", "s,", "ms", "ms,"].contains(&words[at]) {
                words[at - 1] = "…";
                words[at] = words[at].trim_start_matches('m');
            }
        }
        words.join(" ")
    });
    words.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_shows_where_the_run_went() {
    let server = start(Vec::new()).await;
    let folder = files(TRIAGE, &json!({"severity": "high"}));
    let args = args(&folder, &server, "table");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = run(&args, &[("token", TOKEN)]).await;
    assert_eq!(done.code(), 1, "{}", done.stderr);
    insta::assert_snapshot!(stable(&done.stdout), @r"
    ✔ serious  Is it serious?  condition holds → each

    – between  not started: the run went on elsewhere

    ✘ each  … s, 3 items
      2 results, no rows
      not-found: 1 of 3 items failed, the first is item 2: none of the target hosts can be asked: ghost: Fleet has no host with this name, or this user may not see it
      help: target_hosts takes hostnames, uuids, serial numbers or display names, spelt as the fleet manager shows them
      ✔ web-01  … s
        web-01  no rows
      ✘ ghost  … s
        not-found: none of the target hosts can be asked: ghost: Fleet has no host with this name, or this user may not see it
        help: target_hosts takes hostnames, uuids, serial numbers or display names, spelt as the fleet manager shows them
      ✔ web-02  … s
        web-02  no rows

    ✔ none  … s, no items

    – summary  not started: `when` does not hold

    – disabled  not started: disabled

    Look closer: failed in … s
      ✘ each  not-found
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_the_wait_for_another_attempt() {
    let fault = Fault {
        path: "/reports".into(),
        query: None,
        times: None,
        what: What::Status(500),
    };
    let server = start(vec![fault]).await;
    let step = json!([{
        "id": "ask", "type": "osquery_live_query", "retry_max": 10, "on_failure": "continue",
        "params": {
            "backend": "fleetdm", "base_url": "{{ vars.fleet_url }}", "api_token": "{{ secrets.token }}",
            "template": "logged_in_users", "target_hosts": ["web-01"], "timeout_seconds": 900,
        },
    }]);
    let folder = files(&step.to_string(), &json!({}));
    let args = args(&folder, &server, "json");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let child = playbook(&args, &[("token", TOKEN)]).spawn().unwrap();
    let pid = child.id().unwrap().to_string();
    // Three attempts have failed: the next waits are of seconds.
    let probes = || {
        server
            .requests()
            .iter()
            .filter(|request| request.path.contains("/reports"))
            .count()
    };
    while probes() < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let sent = tokio::process::Command::new("kill").args(["-INT", &pid]).status().await;
    assert!(sent.unwrap().success());
    let done = tokio::time::timeout(Duration::from_secs(10), finish(child)).await;
    let done = done.expect("it ends soon");
    assert_eq!(done.code(), 130, "{}", done.stderr);
    let report = done.report();
    assert_eq!(report["status"], "interrupted");
    assert!(report["steps"][0]["attempts"].as_u64().unwrap() >= 3, "{report}");
}
