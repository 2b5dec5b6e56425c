//! `run --output ndjson`: lines come as things happen.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::{Value, json};
use sim::osctrl::{Osctrl, OsctrlServer};
use sim::{Behaviour, Host};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::command::{finish, playbook};
use crate::one_step::{self, TOKEN, host};
use crate::repository::schema;

/// One that answers, one whose query fails, and one that says nothing.
fn hosts() -> Vec<Host> {
    let broken = Host {
        behaviour: Behaviour::Error("no such table: nope".into()),
        ..host("broken")
    };
    let silent = Host {
        behaviour: Behaviour::Silent,
        ..host("silent")
    };
    vec![host("a"), broken, silent]
}

/// A run that is under way.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start(params: &Value, more: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = one_step::write(folder.path(), params, more);
        let args = ["run", &file, "--output", "ndjson"];
        let mut child = playbook(&args, &[("token", TOKEN)])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            lines,
            _folder: folder,
        }
    }

    async fn next(&mut self) -> Option<Value> {
        let line = self.lines.next_line().await.unwrap()?;
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let problems = schema("run-event").validate(&line);
        assert!(problems.is_empty(), "{line}: {problems:?}");
        Some(line)
    }

    /// The lines up to the end of the run, and the exit status.
    async fn rest(mut self) -> (Vec<Value>, i32) {
        let mut lines = Vec::new();
        while let Some(line) = self.next().await {
            lines.push(line);
        }
        (lines, finish(self.child).await.code())
    }
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["event"].as_str().unwrap()).collect()
}

/// The lines that end a run say what `--output json` would have said.
fn report(lines: &[Value]) -> Value {
    let mut report = lines.last().unwrap().clone();
    report.as_object_mut().unwrap().remove("event");
    let steps = lines.iter().filter(|line| line["event"] == "step-finished");
    report["steps"] = steps.map(|line| line["report"].clone()).collect();
    let problems = schema("run").validate(&report);
    assert!(problems.is_empty(), "{report:#}: {problems:?}");
    report
}

/// Runs until the hosts that answer have answered, and says what they said.
async fn answers(running: &mut Running) -> BTreeMap<String, Value> {
    assert_eq!(running.next().await.unwrap()["event"], "run-started");
    assert_eq!(running.next().await.unwrap()["event"], "step-started");
    let mut told = BTreeMap::new();
    while told.len() < 2 {
        let part = running.next().await.unwrap();
        assert_eq!(
            (&part["event"], &part["attempt"]),
            (&json!("part"), &json!(1)),
            "{part}"
        );
        told.insert(part["subject"].as_str().unwrap().to_owned(), part);
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_answers_is_told_while_another_is_waited_for() {
    let fleet = one_step::fleet(hosts()).await;
    let osctrl = OsctrlServer::start(Osctrl {
        token: TOKEN.into(),
        hosts: hosts(),
        ..Osctrl::default()
    })
    .await
    .unwrap();
    let backends = [
        ("fleetdm", fleet.url(), json!({})),
        ("osctrl", osctrl.url(), json!({"environment": "production"})),
    ];
    for (backend, url, own) in backends {
        let mut params = own;
        params["backend"] = backend.into();
        params["base_url"] = url.into();
        params["target_hosts"] = json!(["a", "broken", "silent"]);
        params["timeout_seconds"] = 3.into();
        let mut running = Running::start(&params, &json!({}));
        // These come before the step has finished, or nothing would be left to be read after them.
        let told = answers(&mut running).await;
        let (lines, code) = running.rest().await;
        assert_eq!(kinds(&lines), ["step-finished", "run-finished"], "{params}");
        assert_eq!(code, 3);
        let report = report(&lines);
        let result = &report["steps"][0]["result"];
        assert_eq!(told["a"]["value"], result["results"]["a"], "{params}");
        assert!(!told["a"]["value"].as_array().unwrap().is_empty());
        assert_eq!(told["broken"]["error"], result["failed_hosts"]["broken"], "{params}");
        assert_eq!(result["timed_out_hosts"], json!(["silent"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_told_apart_and_steps_that_are_passed_over_end_with_the_run() {
    let fleet = one_step::fleet(hosts()).await;
    let params = json!({"base_url": fleet.url(), "target_hosts": ["{{ item }}"]});
    let (lines, code) = Running::start(&params, &json!({"for_each": ["a", "broken"]}))
        .rest()
        .await;
    assert_eq!(code, 3, "{lines:?}");
    let parts: BTreeMap<&str, &Value> = lines
        .iter()
        .filter(|line| line["event"] == "part")
        .map(|line| (line["subject"].as_str().unwrap(), &line["item"]))
        .collect();
    assert_eq!(parts, BTreeMap::from([("a", &json!(0)), ("broken", &json!(1))]));

    let (lines, code) = Running::start(&params, &json!({"for_each": ["a"], "when": "false"}))
        .rest()
        .await;
    assert_eq!(kinds(&lines), ["run-started", "step-finished", "run-finished"]);
    assert_eq!((&report(&lines)["steps"][0]["reason"], code), (&json!("when"), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_stops_the_run() {
    let fleet = one_step::fleet(hosts()).await;
    let params =
        json!({"backend": "fleetdm", "base_url": fleet.url(), "timeout_seconds": 60, "target_hosts": ["{{ item }}"]});
    let mut running = Running::start(&params, &json!({"for_each": ["a", "a", "silent"]}));
    assert_eq!(running.next().await.unwrap()["event"], "run-started");
    drop(running.lines);
    // The first answer finds nobody to be told to; the host that is silent would be waited for a minute.
    let began = std::time::Instant::now();
    assert_eq!(finish(running.child).await.code(), 130);
    assert!(began.elapsed().as_secs() < 30);
    fleet.all_campaigns_closed().await;
}
