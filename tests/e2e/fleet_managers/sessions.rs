//! One login for the calls of a run, against servers that limit logins as the real ones do.

use std::time::Duration;

use serde_json::{Value, json};
use sim::fleet::{Fleet, FleetServer};
use sim::osctrl::{Osctrl, OsctrlServer};
use sim::{Fault, Host, What, fleet, osctrl};

use crate::command::{Finished, run};

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
