//! Records of runs: `run --record`, `show` and `replay`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sim::fleet::{Fleet, FleetServer};
use sim::osctrl::{Osctrl, OsctrlServer};
use sim::{Behaviour, Host};
use tempfile::TempDir;

use crate::command::{Finished, run};
use crate::repository::{self, schema};

#[cfg(unix)]
mod ends;

const PASSWORD: &str = "correct horse \"battery\" staple";
const TOKEN: &str = "a-token-that-must-never-be-seen";
const SECRETS: [(&str, &str); 2] = [("password", PASSWORD), ("token", TOKEN)];

/// Both servers, a login, a list, a retry, an offline host, a failed host, and a step that fails.
const PLAYBOOK: &str = r#"
id: recorded
name: Recorded
vars: {fleet_url: null, osctrl_url: null}
steps:
- id: users
  name: Who is logged in?
  type: osquery_live_query
  params:
    backend: fleetdm
    base_url: "{{ vars.fleet_url }}"
    username: admin@corp.example
    password: "{{ secrets.password }}"
    template: logged_in_users
    target_hosts: "{{ alert.hosts }}"
    timeout_seconds: 1
- id: each
  type: osquery_live_query
  for_each: [web-01, ghost]
  concurrency: 2
  on_failure: continue
  params:
    backend: fleetdm
    base_url: "{{ vars.fleet_url }}"
    api_token: "{{ secrets.token }}"
    template: recently_modified_files
    template_params: {since: 24h, path: /etc}
    target_hosts: ["{{ item }}"]
    timeout_seconds: 5
- id: processes
  type: osquery_live_query
  params:
    backend: osctrl
    base_url: "{{ vars.osctrl_url }}"
    environment: production
    api_token: "{{ secrets.token }}"
    template: running_processes
    template_params: {limit: 2}
    target_hosts: [web-01, build-03]
    timeout_seconds: 5
- id: quiet
  type: osquery_live_query
  when: alert.severity == 'low'
  params: {backend: fleetdm, base_url: "{{ vars.fleet_url }}", api_token: "{{ secrets.token }}", template: logged_in_users, target_hosts: [a]}
"#;

/// A folder with a playbook, its alert, and two servers.
struct Recorded {
    folder: TempDir,
    fleet: FleetServer,
    osctrl: OsctrlServer,
}

impl Recorded {
    async fn start(playbook: &str) -> Self {
        let host = |name: &str| Host {
            hostname: name.into(),
            ..Host::default()
        };
        let hosts = vec![
            host("web-01"),
            Host {
                online: false,
                ..host("laptop-7")
            },
            Host {
                behaviour: Behaviour::Error("no such table: processes".into()),
                ..host("build-03")
            },
        ];
        let fleet = Fleet {
            token: TOKEN.into(),
            status_interval_ms: 50,
            hosts: hosts.clone(),
            users: serde_json::from_value(json!([{"email": "admin@corp.example", "password": PASSWORD}])).unwrap(),
            ..Fleet::default()
        };
        let osctrl = Osctrl {
            token: TOKEN.into(),
            hosts,
            ..Osctrl::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let alert = json!({"hosts": ["web-01", "laptop-7"], "severity": "high", "note": format!("they said {PASSWORD}\u{1b}[2J")});
        std::fs::write(folder.path().join("playbook.yaml"), playbook).unwrap();
        std::fs::write(folder.path().join("alert.json"), alert.to_string()).unwrap();
        Self {
            folder,
            fleet: FleetServer::start(fleet).await.unwrap(),
            osctrl: OsctrlServer::start(osctrl).await.unwrap(),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn args(&self, more: &[&str]) -> Vec<String> {
        let args = [
            "run",
            &self.path("playbook.yaml"),
            "--alert",
            &self.path("alert.json"),
            "--var",
            &format!("fleet_url={}", self.fleet.url()),
            "--var",
            &format!("osctrl_url={}", self.osctrl.url()),
            "--record",
            &self.path("records"),
        ];
        args.iter().chain(more).map(|arg| (*arg).to_owned()).collect()
    }

    async fn run(&self, more: &[&str]) -> Finished {
        let args = self.args(more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        run(&args, &SECRETS).await
    }

    /// The one record that was left.
    fn record(&self) -> PathBuf {
        let found = std::fs::read_dir(self.folder.path().join("records")).unwrap();
        let found: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    }
}

async fn show(record: &Path, more: &[&str]) -> Finished {
    run(&[&["show", record.to_str().unwrap()], more].concat(), &[]).await
}

async fn replay(record: &Path, more: &[&str]) -> Finished {
    run(&[&["replay", record.to_str().unwrap()], more].concat(), &[]).await
}

/// Changes a record and writes it beside itself.
fn changed(record: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut value: Value = serde_json::from_str(&std::fs::read_to_string(record).unwrap()).unwrap();
    change(&mut value);
    let path = record.with_extension("changed.json");
    std::fs::write(&path, value.to_string()).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_run_is_shown_and_replayed_without_its_servers() {
    let recorded = Recorded::start(PLAYBOOK).await;
    let page = recorded.path("run.html");
    let done = recorded.run(&["--record-traffic", "--report", &page]).await;
    assert_eq!(done.code(), 1, "{}\n{}", done.stdout, done.stderr);
    let record = recorded.record();
    assert!(done.stderr.contains(record.to_str().unwrap()), "{}", done.stderr);

    let shown = show(&record, &[]).await;
    assert_eq!((shown.code(), &shown.stdout), (0, &done.stdout), "{}", shown.stderr);
    let again = recorded.path("again.html");
    show(&record, &["--report", &again]).await;
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&page), read(&again));
    let text = read(record.to_str().unwrap());
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(show(&record, &["--output", "json"]).await.report(), value["report"]);
    assert_eq!(schema("record").validate(&value), []);
    assert_eq!(schema("run").validate(&value["report"]), []);

    // Nothing that was a secret is in it, and what stands for one says which.
    for hidden in [PASSWORD, "battery", TOKEN, "secret-handle-"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    assert_eq!(value["inputs"]["secrets"], json!(["password", "token"]));
    let params = &value["calls"][0]["params"];
    assert_eq!(params["password"], "‹secret password›");
    let login = value["calls"][0]["transcript"]["entries"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| {
            entry["http"]["path"]
                .as_str()
                .is_some_and(|path| path.ends_with("/login"))
        })
        .unwrap();
    let body: Value =
        serde_json::from_str(login["http"]["answer"]["response"]["body"]["text"].as_str().unwrap()).unwrap();
    assert_eq!(body["token"], "‹secret token›");

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&record), 0o600);
        assert_eq!(mode(record.parent().unwrap()), 0o700);
        let name = format!("{}.json", value["report"]["run_id"].as_str().unwrap());
        assert_eq!(record.file_name().unwrap(), name.as_str());
    }

    // With the servers gone.
    let folder = recorded.folder;
    drop((recorded.fleet, recorded.osctrl));
    let replayed = replay(&record, &[]).await;
    assert_eq!(replayed.code(), 0, "{}\n{}", replayed.stdout, replayed.stderr);
    assert!(
        replayed.stdout.ends_with("4 calls as recorded\n"),
        "{}",
        replayed.stdout
    );
    drop(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_would_do_otherwise_is_told() {
    let recorded = Recorded::start(PLAYBOOK).await;
    recorded.run(&["--record-traffic"]).await;
    let record = recorded.record();

    // A server that had given another answer.
    let other = changed(&record, |value| {
        let entries = value["calls"][0]["transcript"]["entries"].as_array_mut().unwrap();
        let frames = entries
            .iter_mut()
            .find_map(|entry| entry.get_mut("websocket")?["frames"].as_array_mut());
        let result = frames.unwrap().iter_mut().find_map(|frame| {
            let text = frame["event"].get("received")?["text"].as_str()?.to_owned();
            text.contains("\"result\"").then_some((frame, text))
        });
        let (frame, text) = result.unwrap();
        frame["event"]["received"]["text"] = text.replace("root", "mallory\\u001b[2J").into();
    });
    let replayed = replay(&other, &["--only", "users"]).await;
    assert_eq!(replayed.code(), 1, "{}", replayed.stderr);
    for words in [
        "✘ users  different",
        "/returned/result/results/web-01/0/user",
        "recorded  \"root\"",
        "replayed  \"mallory\\u001b[2J\"",
        "1 call in all, 1 not as recorded",
    ] {
        assert!(replayed.stdout.contains(words), "{words}\n{}", replayed.stdout);
    }

    // A plugin that makes a request which the record does not have.
    let other = changed(&record, |value| {
        value["calls"][0]["params"]["target_hosts"] = json!(["web-01", "db-09"]);
    });
    let replayed = replay(&other, &["--output", "json"]).await;
    assert_eq!(replayed.code(), 1);
    let report = replayed.report();
    assert_eq!(
        (&report["same"], &report["calls"][0]["verdict"]),
        (&json!(false), &json!("unrecorded"))
    );
    let unrecorded = report["calls"][0]["unrecorded"].as_str().unwrap();
    assert!(
        unrecorded.starts_with("GET /api/") || unrecorded.starts_with("POST /api/"),
        "{unrecorded}"
    );
    assert_eq!(report["calls"][1]["verdict"], "same", "{report:#}");

    // What the plugin does not take, and types that nobody provides.
    let other = changed(&record, |value| {
        value["calls"][0]["params"]["target_hosts"] = json!([]);
        value["calls"][1]["type"] = json!("nobody's");
    });
    let replayed = replay(&other, &[]).await;
    assert_eq!(replayed.code(), 1);
    for words in [
        "`target_hosts` must not be empty",
        "no loaded plugin provides the step type `nobody's`",
    ] {
        assert!(replayed.stdout.contains(words), "{words}\n{}", replayed.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_traffic_a_record_is_shown_and_not_replayed() {
    let recorded = Recorded::start(PLAYBOOK).await;
    let done = recorded.run(&[]).await;
    let record = recorded.record();
    assert_eq!(show(&record, &[]).await.stdout, done.stdout);
    let replayed = replay(&record, &[]).await;
    assert_eq!(replayed.code(), 2);
    assert!(replayed.stderr.contains("--record-traffic"), "{}", replayed.stderr);
    let text = std::fs::read_to_string(&record).unwrap();
    assert!(!text.contains("transcript"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_the_playbook_is_not_in_the_record() {
    let recorded = Recorded::start(
        &PLAYBOOK
            .replace("\"{{ secrets.password }}\"", "'it''s a \"bassoon\"'")
            .replace("\"{{ secrets.token }}\"", TOKEN),
    )
    .await;
    recorded.run(&["--record-traffic"]).await;
    let record = recorded.record();
    let text = std::fs::read_to_string(&record).unwrap();
    for hidden in ["bassoon", TOKEN] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    let replayed = replay(&record, &[]).await;
    assert_eq!(replayed.code(), 0, "{}\n{}", replayed.stdout, replayed.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_are_the_parts_of_one() {
    let recorded = Recorded::start(
        &PLAYBOOK
            .replace("vars: {", "vars: {half: null, ")
            .replace("\"{{ secrets.password }}\"", "\"it's a {{ vars.half }}\""),
    )
    .await;
    recorded.run(&["--var", "half=\"battery\""]).await;
    let text = std::fs::read_to_string(recorded.record()).unwrap();
    for hidden in ["battery", "it's a"] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_record_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.json");
    let golden = std::fs::read_to_string(golden()).unwrap();
    let later: Value = serde_json::from_str(&golden).unwrap();
    let later = |version: Value| {
        let mut later = later.clone();
        later["version"] = version;
        later["report"] = json!("in another form");
        later.to_string()
    };
    for (text, said) in [
        (String::new(), "this is not a run record"),
        ("[]".to_owned(), "this is not a run record"),
        (golden[..golden.len() / 2].to_owned(), "this is not a run record"),
        (
            later(json!(2)),
            "the record has the version 2, and this program reads versions up to 1",
        ),
        (later(json!(1)), "this is not a run record"),
        (
            format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
            "this is not a run record",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        for done in [show(&path, &[]).await, replay(&path, &[]).await] {
            assert_eq!((done.code(), done.stdout.as_str()), (2, ""));
            assert!(done.stderr.contains(said), "{}", done.stderr);
        }
    }
    let done = show(&folder.path().join("none.json"), &[]).await;
    assert!(done.stderr.contains("cannot read the record"), "{}", done.stderr);
}

/// What no output may have as it is.
const EVIL: &str = "\u{1b}]0;owned\u{7}\u{202e}<script>alert(1)</script>";

/// Puts it wherever a text is free.
fn poison(value: &mut Value) {
    match value {
        Value::String(text) if text.parse::<jiff::Timestamp>().is_err() => text.push_str(EVIL),
        Value::Array(items) => items.iter_mut().for_each(poison),
        Value::Object(map) => {
            for (key, value) in map {
                if !["status", "reason", "version", "kind"].contains(&key.as_str()) {
                    poison(value);
                }
            }
        }
        Value::Number(number) if number.is_u64() => *value = json!(u64::from(u32::MAX)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_record_draws_nothing_and_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.json");
    let mut value: Value = serde_json::from_str(&std::fs::read_to_string(golden()).unwrap()).unwrap();
    poison(&mut value["report"]);
    value["report"]["duration_ms"] = json!(u64::MAX);
    value["report"]["steps"][0]["error"] = json!({"kind": EVIL, "message": EVIL, "hint": EVIL});
    value["report"]["run_id"] = json!("../../../etc/passwd");
    // A server that nobody is to ask, and a file that nobody is to look for.
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    for call in value["calls"].as_array_mut().unwrap() {
        call["step"] = json!(EVIL);
        call["params"]["ca_file"] = json!("/nowhere/ca.pem");
        call["params"]["base_url"] = json!(format!("http://{}", server.local_addr().unwrap()));
        call["item"] = json!({"index": u64::from(u32::MAX), "value": EVIL});
    }
    std::fs::write(&path, value.to_string()).unwrap();
    let page = folder.path().join("page.html");
    let shown = show(&path, &["--report", page.to_str().unwrap()]).await;
    assert_eq!(shown.code(), 0, "{}", shown.stderr);
    let replayed = replay(&path, &["-vv"]).await;
    for text in [&shown.stdout, &shown.stderr, &replayed.stdout, &replayed.stderr] {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text}");
        assert!(!text.contains("/nowhere/ca.pem"), "{text}");
    }
    let asked = server.accept().map_err(|error| error.kind());
    assert_eq!(asked.err(), Some(std::io::ErrorKind::WouldBlock));
    let page = std::fs::read_to_string(page).unwrap();
    assert!(!page.contains("<script>alert"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// A record of the first version, with traffic.
fn golden() -> PathBuf {
    repository::path("tests/records/v1.json")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_the_first_version_is_shown_and_replayed() {
    // Records of published versions stay as they are: only a missing one is made.
    if !golden().exists() && std::env::var_os("NEW_GOLDEN").is_some() {
        let recorded = Recorded::start(PLAYBOOK).await;
        recorded.run(&["--record-traffic"]).await;
        let text = std::fs::read_to_string(recorded.record()).unwrap();
        std::fs::write(golden(), text.replace(&recorded.path("playbook.yaml"), "playbook.yaml")).unwrap();
    }
    let shown = show(&golden(), &[]).await;
    assert_eq!(shown.code(), 0, "{}", shown.stderr);
    insta::assert_snapshot!("record-v1", shown.stdout);
    let replayed = replay(&golden(), &[]).await;
    assert_eq!(replayed.code(), 0, "{}\n{}", replayed.stdout, replayed.stderr);
    let value: Value = serde_json::from_str(&std::fs::read_to_string(golden()).unwrap()).unwrap();
    assert_eq!(schema("record").validate(&value), []);
}
