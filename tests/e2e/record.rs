//! Records of runs: `run --record`, `show` and `replay`.

use std::path::{Path, PathBuf};

use playbook_host::Schema;
use serde_json::{Value, json};
use sim::fleet::{Fleet, FleetServer};
use sim::osctrl::{Osctrl, OsctrlServer};
use sim::{Behaviour, Fault, Host, What};
use tempfile::TempDir;

use crate::command::{Finished, run};

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
            faults: vec![Fault {
                path: "/version".into(),
                query: None,
                times: Some(1),
                what: What::Status(503),
            }],
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

fn schema(name: &str) -> Schema {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../schemas/{name}.schema.json"));
    Schema::compile(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).unwrap()
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
