//! The same situations against every fleet manager: one list, and for each of them what a playbook author sees.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use sim::fleet::{Fleet, FleetServer};
use sim::osctrl::{Levels, Osctrl, OsctrlServer};
use sim::{Behaviour, Fault, Host, What};
use tempfile::TempDir;

use crate::command::{Finished, finish, playbook, run};

const TOKEN: &str = "a-token-that-must-never-be-seen";

/// A fleet manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Fleet,
    Osctrl,
}

/// A running one.
enum Server {
    Fleet(FleetServer),
    Osctrl(OsctrlServer),
    /// It was stopped: this was its address.
    Nobody(String),
}

impl Server {
    async fn start(manager: Manager, case: &Case) -> Self {
        let (token, hosts) = (TOKEN.to_owned(), case.hosts.clone());
        let faults = match &case.fault {
            None => Vec::new(),
            Some((place, times, what)) => vec![Fault {
                query: None,
                path: place.path(manager).into(),
                times: *times,
                what: what.clone(),
            }],
        };
        let server = match manager {
            Manager::Fleet => {
                let role = if case.may_query { "observer_plus" } else { "observer" };
                let fleet = Fleet {
                    token,
                    hosts,
                    faults,
                    role: role.into(),
                    ..Fleet::default()
                };
                Self::Fleet(FleetServer::start(fleet).await.unwrap())
            }
            Manager::Osctrl => {
                let levels = Levels {
                    query: case.may_query,
                    admin: case.may_query,
                    ..Levels::default()
                };
                let osctrl = Osctrl {
                    token,
                    hosts,
                    faults,
                    levels,
                    ..Osctrl::default()
                };
                Self::Osctrl(OsctrlServer::start(osctrl).await.unwrap())
            }
        };
        if case.down {
            // The port is reserved. One that was just given back may be somebody else's by now.
            Self::Nobody("http://127.0.0.1:1".to_owned())
        } else {
            server
        }
    }

    fn url(&self) -> &str {
        match self {
            Self::Fleet(server) => server.url(),
            Self::Osctrl(server) => server.url(),
            Self::Nobody(url) => url,
        }
    }

    /// How many queries were started.
    fn queries(&self) -> usize {
        match self {
            Self::Fleet(server) => server.campaigns().len(),
            Self::Osctrl(server) => server.queries().len(),
            Self::Nobody(_) => 0,
        }
    }

    /// Returns once nothing runs on the server.
    async fn all_ended(&self) {
        match self {
            Self::Fleet(server) => server.all_campaigns_closed().await,
            Self::Osctrl(server) => server.all_queries_ended().await,
            Self::Nobody(_) => {}
        }
    }

    fn unknown_paths(&self) -> Vec<String> {
        match self {
            Self::Fleet(server) => server.unknown_paths(),
            Self::Osctrl(server) => server.unknown_paths(),
            Self::Nobody(_) => Vec::new(),
        }
    }
}

/// Where a fault strikes.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Looking up the hosts.
    Lookup,
    /// Starting the query.
    Start,
    /// Reading the answers.
    Answers,
}

impl Place {
    fn path(self, manager: Manager) -> &'static str {
        match (self, manager) {
            (Self::Lookup, Manager::Fleet) => "/hosts",
            (Self::Lookup, Manager::Osctrl) => "/nodes/production",
            (Self::Start, Manager::Fleet) => "/reports/run",
            (Self::Start, Manager::Osctrl) => "/queries/production",
            (Self::Answers, Manager::Fleet) => "/results/websocket",
            // The first query of the simulated server.
            (Self::Answers, Manager::Osctrl) => "/results/query_00000000000000000000000000000029",
        }
    }
}

/// A situation and what comes of it.
struct Case {
    name: &'static str,
    hosts: Vec<Host>,
    targets: &'static [&'static str],
    secret: &'static str,
    may_query: bool,
    down: bool,
    fault: Option<(Place, Option<usize>, What)>,
    timeout: u32,
    status: i32,
    /// Hosts with results, timed-out hosts and failed hosts, if the step has a result.
    result: Option<(
        &'static [&'static str],
        &'static [&'static str],
        &'static [&'static str],
    )>,
    /// The kind of the error, if it has none, and words of its message and hint.
    error: Option<(&'static str, [&'static str; 2])>,
    queries: usize,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            name: "",
            hosts: vec![host("web-01"), host("web-02"), host("db-01")],
            targets: &["web-01", "web-02"],
            secret: TOKEN,
            may_query: true,
            down: false,
            fault: None,
            timeout: 30,
            status: 0,
            result: None,
            error: None,
            queries: 1,
        }
    }
}

fn host(name: &str) -> Host {
    Host {
        hostname: name.into(),
        ..Host::default()
    }
}

fn behaving(name: &str, behaviour: Behaviour) -> Host {
    Host {
        behaviour,
        ..host(name)
    }
}

fn cases() -> Vec<Case> {
    let silent = |name| behaving(name, Behaviour::Silent);
    vec![
        Case {
            name: "success",
            result: Some((&["web-01", "web-02"], &[], &[])),
            ..Case::default()
        },
        Case {
            name: "names in any case, repeated",
            targets: &["WEB-01", "web-01"],
            result: Some((&["WEB-01", "web-01"], &[], &[])),
            ..Case::default()
        },
        Case {
            name: "answers that come twice",
            hosts: vec![behaving("web-01", Behaviour::Duplicate), host("web-02")],
            result: Some((&["web-01", "web-02"], &[], &[])),
            ..Case::default()
        },
        Case {
            name: "partial",
            hosts: vec![host("web-01"), silent("web-02")],
            timeout: 3,
            status: 3,
            result: Some((&["web-01"], &["web-02"], &[])),
            ..Case::default()
        },
        Case {
            name: "an offline host",
            hosts: vec![
                host("web-01"),
                Host {
                    online: false,
                    ..host("web-02")
                },
            ],
            timeout: 3,
            status: 3,
            result: Some((&["web-01"], &["web-02"], &[])),
            ..Case::default()
        },
        Case {
            name: "all silent",
            hosts: vec![silent("web-01"), silent("web-02")],
            timeout: 2,
            status: 3,
            result: Some((&[], &["web-01", "web-02"], &[])),
            ..Case::default()
        },
        Case {
            name: "an unknown host among others",
            targets: &["web-01", "nobody"],
            status: 3,
            result: Some((&["web-01"], &[], &["nobody"])),
            ..Case::default()
        },
        Case {
            name: "only an unknown host",
            targets: &["nobody"],
            status: 1,
            error: Some((
                "not-found",
                ["none of the target hosts can be asked", "target_hosts takes"],
            )),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "an ambiguous host",
            hosts: vec![host("web-01"), host("web-02"), host("web-02")],
            status: 3,
            result: Some((&["web-01"], &[], &["web-02"])),
            ..Case::default()
        },
        Case {
            name: "an osquery error",
            hosts: vec![
                host("web-01"),
                behaving("web-02", Behaviour::Error("no such table: x".into())),
            ],
            status: 3,
            result: Some((&["web-01"], &[], &["web-02"])),
            ..Case::default()
        },
        Case {
            name: "an osquery error without a message",
            hosts: vec![host("web-01"), behaving("web-02", Behaviour::Error(String::new()))],
            status: 3,
            result: Some((&["web-01"], &[], &["web-02"])),
            ..Case::default()
        },
        Case {
            name: "a wrong token",
            secret: "another-token-that-must-never-be-seen",
            status: 1,
            error: Some(("auth", ["did not accept the token (status 401)", "expired"])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "no permission",
            may_query: false,
            status: 1,
            error: Some((
                "permission",
                ["the user may not do this (status 403)", "live queries need"],
            )),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "the server down",
            down: true,
            timeout: 1,
            status: 1,
            error: Some(("unavailable", ["cannot connect to", "check that base_url is right"])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "slow to look up",
            fault: Some((Place::Lookup, None, What::Delay(700))),
            result: Some((&["web-01", "web-02"], &[], &[])),
            ..Case::default()
        },
        Case {
            name: "a slow body",
            fault: Some((Place::Lookup, None, What::SlowBody(700))),
            result: Some((&["web-01", "web-02"], &[], &[])),
            ..Case::default()
        },
        Case {
            name: "too slow to look up",
            fault: Some((Place::Lookup, None, What::Delay(60_000))),
            timeout: 1,
            status: 1,
            error: Some(("timeout", ["no answer from", ""])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "a connection that is reset once",
            fault: Some((Place::Lookup, Some(1), What::Reset)),
            result: Some((&["web-01", "web-02"], &[], &[])),
            ..Case::default()
        },
        Case {
            name: "a reset while the query is started",
            fault: Some((Place::Start, Some(1), What::Reset)),
            status: 1,
            error: Some(("unavailable", ["the connection to", ""])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "failing once",
            fault: Some((Place::Lookup, Some(1), What::Status(503))),
            result: Some((&["web-01", "web-02"], &[], &[])),
            ..Case::default()
        },
        Case {
            name: "failing while the query is started",
            fault: Some((Place::Start, Some(1), What::Status(500))),
            status: 1,
            error: Some(("unavailable", ["the server is failing (status 500)", ""])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "a web page",
            fault: Some((Place::Lookup, None, What::Html)),
            status: 1,
            error: Some(("protocol", ["answered with a web page", "check base_url"])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "a redirect",
            fault: Some((Place::Lookup, None, What::Redirect("https://sso.example/login".into()))),
            status: 1,
            error: Some(("protocol", ["redirects to https://sso.example/login", "base_url"])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "garbage",
            fault: Some((Place::Lookup, None, What::Nonsense)),
            status: 1,
            error: Some(("protocol", ["is not what its protocol says", ""])),
            queries: 0,
            ..Case::default()
        },
        Case {
            name: "a body cut off while the query is started",
            fault: Some((Place::Start, Some(1), What::Truncate)),
            status: 1,
            error: Some(("unavailable", ["the connection to", ""])),
            queries: 1,
            ..Case::default()
        },
        Case {
            name: "slow where the answers come",
            fault: Some((Place::Answers, Some(1), What::Delay(200))),
            result: Some((&["web-01", "web-02"], &[], &[])),
            ..Case::default()
        },
    ]
}

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
            hosts: vec![behaving("web-01", Behaviour::Silent)],
            ..Case::default()
        };
        let server = Server::start(manager, &case).await;
        let folder = files(manager, &["web-01"], 600);
        let args = args(&folder, server.url());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let child = playbook(&args, &[("token", TOKEN)]).spawn().unwrap();
        let pid = child.id().unwrap().to_string();
        while server.queries() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let sent = tokio::process::Command::new("kill").args(["-INT", &pid]).status().await;
        assert!(sent.unwrap().success());
        let done = tokio::time::timeout(Duration::from_secs(10), finish(child)).await;
        let done = done.expect("it ends soon");
        assert_eq!(done.code(), 130, "{manager:?}: {}", done.stderr);
        assert_eq!(done.report()["status"], "cancelled");
        let ended = tokio::time::timeout(Duration::from_secs(5), server.all_ended()).await;
        assert!(ended.is_ok(), "{manager:?}: the query runs on");
        assert_eq!(server.queries(), 1);
    }
}
