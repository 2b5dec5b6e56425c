//! Cases that are folders: `tests/cases/NAME/` holds a playbook, and beside it, where the case needs them,
//!
//! - `alert.json`: the alert,
//! - `fleet.json`: the simulated Fleet server; without it, nothing listens at `{{ vars.fleet_url }}`,
//! - `secrets.json`: a map of secrets; without it, `fleetdm_token` is the server's token,
//! - `args`: more arguments of `playbook run`, one a line,
//! - `expected.txt`: the exit status, standard output and standard error.
//!
//! A new case is a new folder. `UPDATE_CASES=1 cargo test --test e2e` writes `expected.txt` as things are; read it before
//! it is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use serde_json::Value;
use sim::fleet::{Fleet, FleetServer};

use crate::command::run;

/// Where nothing listens: the port is reserved.
const NOBODY: &str = "http://127.0.0.1:1";

#[tokio::test(flavor = "multi_thread")]
async fn every_case_folder_gives_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases");
    let mut cases: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    let failures: Vec<String> = futures::stream::iter(cases)
        .map(check)
        .buffer_unordered(8)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    assert!(
        failures.is_empty(),
        "{} cases failed:\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

async fn check(folder: PathBuf) -> Option<String> {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let optional = |file: &str| fs::read_to_string(folder.join(file)).ok();
    let fleet: Option<Fleet> = optional("fleet.json")
        .map(|text| serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}/fleet.json: {error}")));
    let token = fleet
        .as_ref()
        .map_or_else(|| Fleet::default().token, |fleet| fleet.token.clone());
    let secrets: BTreeMap<String, String> = match optional("secrets.json") {
        Some(text) => serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}/secrets.json: {error}")),
        None => BTreeMap::from([("fleetdm_token".to_owned(), token)]),
    };
    let server = match fleet {
        Some(fleet) => Some(FleetServer::start(fleet).await.unwrap()),
        None => None,
    };
    let url = server.as_ref().map_or(NOBODY, FleetServer::url);
    let (playbook, alert) = (folder.join("playbook.yaml"), folder.join("alert.json"));
    let (variable, more) = (format!("fleet_url={url}"), optional("args").unwrap_or_default());
    let mut args = vec![
        "run",
        playbook.to_str().unwrap(),
        "--output",
        "json",
        "--var",
        &variable,
    ];
    if alert.exists() {
        args.extend(["--alert", alert.to_str().unwrap()]);
    }
    args.extend(more.lines());
    let pairs: Vec<(&str, &str)> = secrets
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let done = run(&args, &pairs).await;

    let mut wrong = Vec::new();
    for (secret, value) in &secrets {
        if done.stdout.contains(value) || done.stderr.contains(value) {
            wrong.push(format!("the secret `{secret}` was printed"));
        }
    }
    if let Some(server) = &server {
        server.all_campaigns_closed().await;
        if done.code() == 2 && !server.requests().is_empty() {
            wrong.push(format!("invalid input, and yet it sent {:?}", server.requests()));
        }
        if !server
            .unknown_paths()
            .iter()
            .all(|path| path.ends_with("/reports?per_page=1"))
        {
            wrong.push(format!(
                "asked for paths that Fleet does not have: {:?}",
                server.unknown_paths()
            ));
        }
    }
    let found = format!(
        "exit status {}\n--- stdout\n{}--- stderr\n{}",
        done.code(),
        stable(&done.stdout),
        done.stderr
            .replace(url, "<fleet>")
            .replace(&format!("{}/", folder.display()), "")
    )
    .replace(url, "<fleet>")
    .replace(url.trim_start_matches("http://"), "<fleet>");
    let expected = folder.join("expected.txt");
    if std::env::var_os("UPDATE_CASES").is_some() {
        fs::write(&expected, &found).unwrap();
    } else if fs::read_to_string(&expected).unwrap_or_default() != found {
        wrong.push(format!("expected.txt differs; found:\n{found}"));
    }
    (!wrong.is_empty()).then(|| format!("== {name}\n{}", wrong.join("\n")))
}

/// A report without what differs from run to run.
fn stable(stdout: &str) -> String {
    let Ok(mut report) = serde_json::from_str::<Value>(stdout) else {
        return stdout.to_owned();
    };
    for key in ["run_id", "started_at", "finished_at", "duration_ms"] {
        report[key] = "…".into();
    }
    for step in report["steps"].as_array_mut().into_iter().flatten() {
        step["duration_ms"] = "…".into();
        if let Some(results) = step.pointer_mut("/result/results").and_then(Value::as_object_mut) {
            for row in results.values_mut().filter_map(Value::as_array_mut).flatten() {
                for time in ["time", "start_time", "mtime", "ctime"] {
                    if row.get(time).is_some() {
                        row[time] = "…".into();
                    }
                }
            }
        }
    }
    format!("{report:#}\n")
}
