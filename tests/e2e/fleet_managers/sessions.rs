//! One login for the calls of a run, against servers that limit logins as the real ones do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sim::fleet::{Fleet, FleetServer};
use sim::osctrl::{Osctrl, OsctrlServer};
use sim::{Fault, Host, What, fleet, osctrl};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::command::{Finished, playbook, run};

const PASSWORD: &str = "a-password-that-must-never-be-seen";
const USERS: [&str; 2] = ["soc@corp.example", "hunt@corp.example"];

/// A fleet manager with two users.
enum Server {
    Fleet(FleetServer),
    Osctrl(OsctrlServer),
}

impl Server {
    async fn both() -> [Self; 2] {
        Self::both_late(0).await
    }

    /// Both, each of which answers so many lookups late.
    async fn both_late(times: usize) -> [Self; 2] {
        let late = |path: &str| Fault {
            query: None,
            path: path.into(),
            times: Some(times),
            what: What::Delay(1_000),
        };
        let faults = vec![late("/hosts"), late("/nodes/production")];
        let hosts = vec![Host {
            hostname: "web-01".into(),
            ..Host::default()
        }];
        let fleet = Fleet {
            users: USERS
                .map(|email| fleet::User {
                    email: email.into(),
                    password: PASSWORD.into(),
                })
                .to_vec(),
            hosts: hosts.clone(),
            faults: faults.clone(),
            ..Fleet::default()
        };
        let osctrl = Osctrl {
            users: USERS
                .map(|username| osctrl::User {
                    username: username.into(),
                    password: PASSWORD.into(),
                })
                .to_vec(),
            hosts,
            faults,
            ..Osctrl::default()
        };
        [
            Self::Fleet(FleetServer::start(fleet).await.unwrap()),
            Self::Osctrl(OsctrlServer::start(osctrl).await.unwrap()),
        ]
    }

    fn url(&self) -> &str {
        match self {
            Self::Fleet(server) => server.url(),
            Self::Osctrl(server) => server.url(),
        }
    }

    fn login_attempts(&self) -> usize {
        match self {
            Self::Fleet(server) => server.login_attempts(),
            Self::Osctrl(server) => server.login_attempts(),
        }
    }

    fn revoke_sessions(&self) {
        match self {
            Self::Fleet(server) => server.revoke_sessions(),
            Self::Osctrl(server) => server.revoke_sessions(),
        }
    }

    /// A connector that is polled every second.
    fn connector(&self, folder: &Path) -> PathBuf {
        let mut config = json!({
            "base_url": self.url(), "username": USERS[0], "password": "{{ secrets.password }}",
        });
        let kind = match self {
            Self::Fleet(_) => "fleetdm",
            Self::Osctrl(_) => {
                config["environment"] = "production".into();
                "osctrl"
            }
        };
        let connector = json!({
            "connector": kind, "name": "corp", "config": config, "connector_config": {"poll_interval_seconds": 1},
        });
        let path = folder.join("connector.yaml");
        std::fs::write(&path, connector.to_string()).unwrap();
        path
    }

    /// A step that asks the host once for each item.
    fn step(&self, id: &str, user: &str, items: usize, concurrency: usize) -> Value {
        let mut params = json!({
            "backend": "fleetdm",
            "base_url": self.url(),
            "username": user,
            "password": "{{ secrets.password }}",
            "template": "logged_in_users",
            "target_hosts": ["{{ item }}"],
            "timeout_seconds": 60,
        });
        if let Self::Osctrl(_) = self {
            params["backend"] = "osctrl".into();
            params["environment"] = "production".into();
        }
        json!({
            "id": id, "type": "osquery_live_query", "params": params,
            "for_each": vec!["web-01"; items], "concurrency": concurrency, "on_failure": "continue",
        })
    }
}

async fn finished(steps: Value, password: &str) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("playbook.yaml");
    std::fs::write(&path, steps.to_string()).unwrap();
    let args = ["run", path.to_str().unwrap(), "--output", "json"];
    let done = run(&args, &[("password", password)]).await;
    for shown in [&done.stdout, &done.stderr] {
        assert!(!shown.contains("session-token") && !shown.contains(PASSWORD));
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn the_items_of_a_list_share_one_login() {
    for server in Server::both().await {
        let done = finished(json!([server.step("each", USERS[0], 25, 10)]), PASSWORD).await;
        assert_eq!(done.code(), 0, "{}{}", done.stdout, done.stderr);
        assert_eq!(server.login_attempts(), 1, "{}", server.url());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_of_a_run_share_one_login() {
    for server in Server::both().await {
        let steps = json!([server.step("one", USERS[0], 1, 1), server.step("two", USERS[0], 1, 1)]);
        let done = finished(steps, PASSWORD).await;
        assert_eq!(done.code(), 0, "{}{}", done.stdout, done.stderr);
        assert_eq!(server.login_attempts(), 1, "{}", server.url());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_sent_once() {
    for server in Server::both().await {
        let done = finished(json!([server.step("each", USERS[0], 20, 20)]), "a-wrong-password").await;
        assert_eq!(done.code(), 1, "{}{}", done.stdout, done.stderr);
        assert_eq!(server.login_attempts(), 1, "{}", server.url());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_for_several_calls_is_renewed_by_one_login() {
    for server in Server::both_late(10).await {
        let revoke = async {
            while server.login_attempts() == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // The lookups are under way with the token, and it is checked when their delay is over.
            tokio::time::sleep(Duration::from_millis(300)).await;
            server.revoke_sessions();
        };
        let (done, ()) = tokio::join!(
            finished(json!([server.step("each", USERS[0], 10, 10)]), PASSWORD),
            revoke
        );
        assert_eq!(done.code(), 0, "{}{}", done.stdout, done.stderr);
        assert_eq!(server.login_attempts(), 2, "{}", server.url());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_servers_have_sessions_of_their_own() {
    let [fleet, osctrl] = Server::both().await;
    let mut steps = Vec::new();
    for (at, (server, user)) in [
        (&fleet, USERS[0]),
        (&osctrl, USERS[0]),
        (&fleet, USERS[1]),
        (&osctrl, USERS[1]),
        (&fleet, USERS[0]),
        (&osctrl, USERS[0]),
    ]
    .into_iter()
    .enumerate()
    {
        steps.push(server.step(&format!("step-{at}"), user, 1, 1));
    }
    let done = finished(steps.into(), PASSWORD).await;
    assert_eq!(done.code(), 0, "{}{}", done.stdout, done.stderr);
    assert_eq!((fleet.login_attempts(), osctrl.login_attempts()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_logs_in_once() {
    for server in Server::both().await {
        let folder = tempfile::tempdir().unwrap();
        let file = server.connector(folder.path());
        let done = run(&["check", file.to_str().unwrap()], &[("password", PASSWORD)]).await;
        assert_eq!(done.code(), 0, "{}{}", done.stdout, done.stderr);
        assert_eq!(server.login_attempts(), 1, "{}", server.url());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poller_logs_in_once_and_again_when_its_session_has_ended() {
    for server in Server::both().await {
        let folder = tempfile::tempdir().unwrap();
        let file = server.connector(folder.path());
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (file, state, sink) = (file.display().to_string(), path("state"), path("events.ndjson"));
        let args = ["poll", &file, "--state", &state, "--sink", &sink];
        let mut child = playbook(&args, &[("password", PASSWORD)]).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // Fleet has two streams, which are polled at once.
        let polls = if let Server::Fleet(_) = server { 4 } else { 2 };
        let mut polled = async || {
            for _ in 0..polls {
                let line = lines.next_line().await.unwrap().expect("it polls on");
                assert!(line.contains("; next in"), "{line}");
            }
        };
        polled().await;
        assert_eq!(server.login_attempts(), 1, "{}", server.url());
        server.revoke_sessions();
        polled().await;
        polled().await;
        assert_eq!(server.login_attempts(), 2, "{}", server.url());
        child.kill().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_calls_shared_a_login_is_replayed() {
    for server in Server::both().await {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let steps = json!([
            server.step("each", USERS[0], 3, 3),
            server.step("again", USERS[0], 1, 1)
        ]);
        std::fs::write(path("playbook.yaml"), steps.to_string()).unwrap();
        let (file, records) = (path("playbook.yaml"), path("records"));
        let args = [
            "run",
            &file,
            "--record",
            &records,
            "--record-traffic",
            "--output",
            "json",
        ];
        let done = run(&args, &[("password", PASSWORD)]).await;
        assert_eq!(done.code(), 0, "{}{}", done.stdout, done.stderr);
        let record = std::fs::read_dir(&records).unwrap().next().unwrap().unwrap().path();
        let text = std::fs::read_to_string(&record).unwrap();
        assert!(!text.contains(PASSWORD) && !text.contains("session-token"));
        let replayed = run(&["replay", record.to_str().unwrap()], &[]).await;
        assert_eq!(replayed.code(), 0, "{}{}", replayed.stdout, replayed.stderr);
        assert!(
            replayed.stdout.ends_with("4 calls as recorded\n"),
            "{}",
            replayed.stdout
        );
        assert_eq!(server.login_attempts(), 1, "{}", server.url());
    }
}
