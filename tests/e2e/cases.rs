//! Cases that are folders: `tests/cases/NAME/` holds a playbook, and beside it, where the case needs them,
//!
//! - `alert.json`: the alert,
//! - `fleet.json`: the simulated Fleet server; without it, nothing listens at `{{ vars.fleet_url }}`,
//! - `osctrl.json`: the simulated osctrl server; without it, nothing listens at `{{ vars.osctrl_url }}`,
//! - `secrets.json`: a map of secrets; without it, `fleetdm_token` and `osctrl_token` are the servers' tokens,
//! - `args`: more arguments of `playbook run`, one a line; with `--dry-run`, no request may have been made, and with
//!   `--check` none that asks hosts anything,
//! - `expected.txt`: the exit status, standard output and standard error.
//!
//! A new case is a new folder. `UPDATE_CASES=1 cargo test --test e2e` writes `expected.txt` as things are; read it before
//! it is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use playbook_host::Schema;
use serde_json::Value;
use sim::fleet::{Fleet, FleetServer};
use sim::osctrl::{Osctrl, OsctrlServer};

use crate::command::run;

/// Where nothing listens: the port is reserved.
const NOBODY: &str = "http://127.0.0.1:1";

#[tokio::test(flavor = "multi_thread")]
async fn every_case_folder_gives_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases");
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
    let fleet: Option<Fleet> = optional("fleet.json").map(|text| read(&format!("{name}/fleet.json"), &text));
    let osctrl: Option<Osctrl> = optional("osctrl.json").map(|text| read(&format!("{name}/osctrl.json"), &text));
    let secrets: BTreeMap<String, String> = match optional("secrets.json") {
        Some(text) => read(&format!("{name}/secrets.json"), &text),
        None => BTreeMap::from([
            ("fleetdm_token".to_owned(), fleet.clone().unwrap_or_default().token),
            ("osctrl_token".to_owned(), osctrl.clone().unwrap_or_default().token),
        ]),
    };
    let fleet = match fleet {
        Some(fleet) => Some(FleetServer::start(fleet).await.unwrap()),
        None => None,
    };
    let osctrl = match osctrl {
        Some(osctrl) => Some(OsctrlServer::start(osctrl).await.unwrap()),
        None => None,
    };
    let urls = [
        ("fleet", fleet.as_ref().map_or(NOBODY, FleetServer::url)),
        ("osctrl", osctrl.as_ref().map_or(NOBODY, OsctrlServer::url)),
    ];
    let (playbook, alert) = (folder.join("playbook.yaml"), folder.join("alert.json"));
    let variables = urls.map(|(name, url)| format!("{name}_url={url}"));
    let more = optional("args").unwrap_or_default();
    let mut args = vec!["run", playbook.to_str().unwrap(), "--output", "json"];
    for variable in &variables {
        args.extend(["--var", variable]);
    }
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
    if done.stdout.contains("secret-handle-") || done.stderr.contains("secret-handle-") {
        wrong.push("a handle was printed".to_owned());
    }
    let mut requests = Vec::new();
    let mut unknown = Vec::new();
    if let Some(server) = &fleet {
        server.all_campaigns_closed().await;
        requests.extend(server.requests());
        unknown.extend(server.unknown_paths());
    }
    if let Some(server) = &osctrl {
        server.all_queries_ended().await;
        requests.extend(server.requests());
        unknown.extend(server.unknown_paths());
    }
    if done.code() == 2 && !requests.is_empty() {
        wrong.push(format!("invalid input, and yet it sent {requests:?}"));
    }
    let dry_run = more.lines().any(|argument| argument == "--dry-run");
    let check = more.lines().any(|argument| argument == "--check");
    let asked = requests
        .iter()
        .find(|request| request.method == "POST" && !request.path.contains("login"));
    if let (true, Some(asked)) = (check, asked) {
        wrong.push(format!("a check, and yet it sent {asked:?}"));
    }
    if dry_run && !requests.is_empty() {
        wrong.push(format!("a dry run, and yet it sent {requests:?}"));
    }
    // This one is how the version of a Fleet server is told.
    unknown.retain(|path| !path.ends_with("/reports?per_page=1"));
    if !unknown.is_empty() {
        wrong.push(format!("asked for paths that the server does not have: {unknown:?}"));
    }
    if let Ok(report) = serde_json::from_str::<Value>(&done.stdout) {
        let kind = if dry_run || check { "plan" } else { "run" };
        for problem in schema(kind).validate(&report) {
            wrong.push(format!("the report is not as its schema says: {problem:?}"));
        }
        let text = fs::read_to_string(&playbook).unwrap();
        // Editors underline steps of unknown types, as `validate` does.
        let known = !more.contains("--skip-unknown-steps");
        let problems = schema("playbook").validate(&serde_yaml::from_str(&text).unwrap());
        if known && !problems.is_empty() {
            wrong.push(format!("the playbook ran, and its schema refuses it: {problems:?}"));
        }
    }
    let mut found = format!(
        "exit status {}\n--- stdout\n{}--- stderr\n{}",
        done.code(),
        stable(&done.stdout),
        done.stderr
    )
    .replace(&format!("{}/", folder.display()), "");
    for (name, url) in urls {
        if url != NOBODY || name == "fleet" {
            let shown = format!("<{name}>");
            found = found
                .replace(url, &shown)
                .replace(url.trim_start_matches("http://"), &shown);
        }
    }
    let expected = folder.join("expected.txt");
    if std::env::var_os("UPDATE_CASES").is_some() {
        fs::write(&expected, &found).unwrap();
    } else if fs::read_to_string(&expected).unwrap_or_default() != found {
        wrong.push(format!("expected.txt differs; found:\n{found}"));
    }
    (!wrong.is_empty()).then(|| format!("== {name}\n{}", wrong.join("\n")))
}

/// A schema of this repository.
fn schema(name: &str) -> Schema {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../schemas/{name}.schema.json"));
    Schema::compile(read(name, &fs::read_to_string(path).unwrap())).unwrap()
}

fn read<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A report without what differs from run to run.
fn stable(stdout: &str) -> String {
    let Ok(mut report) = serde_json::from_str::<Value>(stdout) else {
        return stdout.to_owned();
    };
    for key in ["run_id", "started_at", "finished_at", "duration_ms", "as_of"] {
        if let Some(value) = report.get_mut(key) {
            *value = "…".into();
        }
    }
    for step in report["steps"].as_array_mut().into_iter().flatten() {
        step.as_object_mut().map(|step| step.shift_remove("started_at"));
        blank(step);
        let calls = step.get_mut("calls").and_then(Value::as_array_mut);
        for call in calls.into_iter().flatten() {
            blank_moments(&mut call["template"]);
        }
    }
    format!("{report:#}\n")
}

/// Durations, times in notes, and the columns of rows that are times.
fn blank(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match key.as_str() {
                    "duration_ms" | "time" | "start_time" | "mtime" | "ctime" => *value = "…".into(),
                    "text" => blank_last_seen(value),
                    _ => blank(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank),
        _ => {}
    }
}

/// The moments in a text that count from now.
fn blank_moments(template: &mut Value) {
    let moments = template.get_mut("moments").and_then(Value::as_array_mut);
    let mut written = Vec::new();
    for moment in moments.into_iter().flatten() {
        moment["time"] = "…".into();
        written.extend(moment["written"].as_str().map(str::to_owned));
        moment["written"] = "…".into();
    }
    for moment in written {
        let text = template["text"].as_str().unwrap_or_default();
        template["text"] = text.replace(&moment, "…").into();
    }
}

/// A note says when a host was last seen.
fn blank_last_seen(note: &mut Value) {
    let before = note.as_str().and_then(|text| text.split_once("last seen 2"));
    if let Some((before, _)) = before {
        *note = format!("{before}last seen …").into();
    }
}
