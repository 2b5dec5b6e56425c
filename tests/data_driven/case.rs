//! One case: the real command, run on the files of a folder against simulated fleet managers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use playbook_host::text::Schema;
use serde_json::Value;
use sim::Request;
use sim::fleet::{Fleet, FleetServer};
use sim::osctrl::{Osctrl, OsctrlServer};

use crate::command::{Finished, run};
use crate::expectation::compare;
use crate::folder::{file_name, files, tests};
use crate::stable::stable;

/// Where nothing listens: the port is reserved.
const NOBODY: &str = "http://127.0.0.1:1";

/// The files that a case may have. Only the first and the last are required.
const FILES: [&str; 7] = [
    "playbook.yaml",
    "alert.json",
    "fleet.json",
    "osctrl.json",
    "secrets.json",
    "args",
    "expected.txt",
];

/// Runs the case in `folder` and returns everything that is wrong with it.
pub(crate) async fn check(folder: &Path) -> Result<(), String> {
    let mut wrong = unknown_files(folder);
    let servers = Servers::start(folder).await;
    let secrets = servers.secrets(folder);
    let arguments = text(folder, "args").unwrap_or_default();
    let arguments: Vec<&str> = arguments.lines().collect();
    let done = playbook_run(folder, &servers, &secrets, &arguments).await;

    wrong.extend(shown_secrets(&done, &secrets));
    let (requests, unknown) = servers.asked().await;
    wrong.extend(forbidden_requests(&done, &requests, &arguments));
    if !unknown.is_empty() {
        wrong.push(format!("asked for paths that the server does not have: {unknown:?}"));
    }
    wrong.extend(unmet_schemas(&done, folder, &arguments));
    let found = format!(
        "exit status {}\n--- stdout\n{}--- stderr\n{}",
        done.code(),
        stable(&done.stdout),
        done.stderr
    );
    let found = servers.without_urls(found.replace(&format!("{}/", folder.display()), ""));
    wrong.extend(compare(&folder.join("expected.txt"), &found).err());
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// Runs the playbook of a case with its alert and the URLs of its servers.
async fn playbook_run(
    folder: &Path,
    servers: &Servers,
    secrets: &BTreeMap<String, String>,
    arguments: &[&str],
) -> Finished {
    let (playbook, alert) = (folder.join("playbook.yaml"), folder.join("alert.json"));
    let variables = servers.urls().map(|(name, url)| format!("{name}_url={url}"));
    let mut args = vec!["run", playbook.to_str().unwrap(), "--output", "json"];
    for variable in &variables {
        args.extend(["--var", variable]);
    }
    if alert.exists() {
        args.extend(["--alert", alert.to_str().unwrap()]);
    }
    args.extend(arguments);
    let pairs: Vec<(&str, &str)> = secrets
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    run(&args, &pairs).await
}

/// The simulated fleet managers that a case describes.
struct Servers {
    fleet: Option<FleetServer>,
    osctrl: Option<OsctrlServer>,
    /// The secrets of a case that names none.
    tokens: BTreeMap<String, String>,
}

impl Servers {
    async fn start(folder: &Path) -> Self {
        let fleet: Option<Fleet> = json(folder, "fleet.json");
        let osctrl: Option<Osctrl> = json(folder, "osctrl.json");
        let tokens = BTreeMap::from([
            ("fleetdm_token".to_owned(), fleet.clone().unwrap_or_default().token),
            ("osctrl_token".to_owned(), osctrl.clone().unwrap_or_default().token),
        ]);
        let fleet = match fleet {
            Some(fleet) => Some(FleetServer::start(fleet).await.unwrap()),
            None => None,
        };
        let osctrl = match osctrl {
            Some(osctrl) => Some(OsctrlServer::start(osctrl).await.unwrap()),
            None => None,
        };
        Self { fleet, osctrl, tokens }
    }

    fn secrets(&self, folder: &Path) -> BTreeMap<String, String> {
        json(folder, "secrets.json").unwrap_or_else(|| self.tokens.clone())
    }

    /// Returns the URL of each server by name.
    fn urls(&self) -> [(&'static str, &str); 2] {
        [
            ("fleet", self.fleet.as_ref().map_or(NOBODY, FleetServer::url)),
            ("osctrl", self.osctrl.as_ref().map_or(NOBODY, OsctrlServer::url)),
        ]
    }

    /// Waits for the end of what was begun, and returns the requests that came and the paths that no server has.
    async fn asked(&self) -> (Vec<Request>, Vec<String>) {
        let mut requests = Vec::new();
        let mut unknown = Vec::new();
        if let Some(server) = &self.fleet {
            server.all_campaigns_closed().await;
            requests.extend(server.requests());
            unknown.extend(server.unknown_paths());
        }
        if let Some(server) = &self.osctrl {
            server.all_queries_ended().await;
            requests.extend(server.requests());
            unknown.extend(server.unknown_paths());
        }
        // The plugin asks for it to learn the version of the server.
        unknown.retain(|path| !path.ends_with("/reports?per_page=1"));
        (requests, unknown)
    }

    /// Replaces the URLs of servers, which are others in each run.
    fn without_urls(&self, mut text: String) -> String {
        for (name, url) in self.urls() {
            if url != NOBODY || name == "fleet" {
                let shown = format!("<{name}>");
                text = text
                    .replace(url, &shown)
                    .replace(url.trim_start_matches("http://"), &shown);
            }
        }
        text
    }
}

/// Finds files that no case has, so that none is misspelt.
fn unknown_files(folder: &Path) -> Vec<String> {
    let files = files(folder);
    let names = files.iter().map(|path| file_name(path));
    names
        .filter(|name| !FILES.contains(name) && *name != "expected.txt.new")
        .map(|name| format!("{name} is not a file of a case; those are {FILES:?}"))
        .collect()
}

fn shown_secrets(done: &Finished, secrets: &BTreeMap<String, String>) -> Vec<String> {
    let shown = |text: &str| done.stdout.contains(text) || done.stderr.contains(text);
    let secrets = secrets.iter().filter(|(_, value)| shown(value));
    let mut wrong: Vec<String> = secrets
        .map(|(name, _)| format!("the secret `{name}` was printed"))
        .collect();
    if shown("secret-handle-") {
        wrong.push("a handle was printed".to_owned());
    }
    wrong
}

/// Finds requests of a run that may send none, or none that asks hosts anything.
fn forbidden_requests(done: &Finished, requests: &[Request], arguments: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    if done.code() == 2 && !requests.is_empty() {
        wrong.push(format!("invalid input, and yet it sent {requests:?}"));
    }
    if arguments.contains(&"--dry-run") && !requests.is_empty() {
        wrong.push(format!("a dry run, and yet it sent {requests:?}"));
    }
    let asked = requests
        .iter()
        .find(|request| request.method == "POST" && !request.path.contains("login"));
    if let (true, Some(asked)) = (arguments.contains(&"--check"), asked) {
        wrong.push(format!("a check, and yet it sent {asked:?}"));
    }
    wrong
}

/// Checks the report, and the playbook that led to it, against their schemas.
fn unmet_schemas(done: &Finished, folder: &Path, arguments: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    let Ok(report) = serde_json::from_str::<Value>(&done.stdout) else {
        return wrong;
    };
    let planned = ["--dry-run", "--check"];
    let kind = if planned.iter().any(|option| arguments.contains(option)) {
        "plan"
    } else {
        "run"
    };
    for problem in schema(kind).validate(&report) {
        wrong.push(format!("the report does not fit its schema: {problem:?}"));
    }
    // Editors underline steps of unknown types, as `validate` does.
    if !arguments.contains(&"--skip-unknown-steps") {
        let playbook = text(folder, "playbook.yaml").unwrap();
        let problems = schema("playbook").validate(&serde_yaml::from_str(&playbook).unwrap());
        if !problems.is_empty() {
            wrong.push(format!("the playbook ran, and its schema refuses it: {problems:?}"));
        }
    }
    wrong
}

/// A schema of this repository.
fn schema(name: &str) -> Schema {
    let schemas = tests().with_file_name("schemas");
    Schema::compile(json(&schemas, &format!("{name}.schema.json")).unwrap()).unwrap()
}

/// The text of a file, if it exists.
fn text(folder: &Path, file: &str) -> Option<String> {
    fs::read_to_string(folder.join(file)).ok()
}

fn json<T: serde::de::DeserializeOwned>(folder: &Path, file: &str) -> Option<T> {
    let read = |text: String| serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    text(folder, file).map(read)
}
