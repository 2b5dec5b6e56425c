//! Counts instructions, which are the same on a busy machine, and fails where they have grown by more than 5 %.
//!
//! `make instructions` runs it; it needs Valgrind and `gungraun-runner`. Only the thread that runs plugins is counted, not the
//! simulated servers. Who makes something faster, or has a reason for more, writes the new figure down here.

#![allow(
    missing_docs,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "the macros make items without words, and print"
)]

use std::hint::black_box;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use gungraun::prelude::*;
use playbook_host::{
    CancellationToken, ConnectorInputs, Engine, Limits, Lines, Once, Playbook, Poller, RunInputs, RunStatus, Runner,
    Secrets, Source, StateFile,
};
use serde_json::{Map, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The token of the server.
const TOKEN: &str = "bench-token-of-the-simulated-fleet";

/// A compiled plugin, kept between the benchmarks of a process.
static CACHE: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a temporary directory can be made"));

/// Counted code runs on the thread that is counted.
fn one_thread() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made")
}

/// A runner with the plugin, as it is at every start but the first.
async fn runner() -> Runner {
    let mut limits = Limits::default();
    // It runs fifty times slower here.
    limits.cpu = Duration::from_hours(1);
    limits.poll_cpu = Duration::from_hours(1);
    let engine = Engine::new(Some(CACHE.path())).expect("the runtime starts");
    let mut runner = Runner::new(engine, limits);
    let loaded = runner.load("built-in", embedded_plugin::COMPONENT).await;
    loaded.expect("the built-in plugin is in order");
    runner
}

/// A simulated Fleet server in a process of its own, which Valgrind does not slow down. It ends with this one.
fn server(hosts: usize) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["serve", &json!([hosts, 0, 0]).to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut url = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout)
        .read_line(&mut url)
        .expect("it prints its address");
    // It serves until its input ends.
    std::mem::forget(child.stdin.take());
    url.trim().to_owned()
}

fn secrets() -> Secrets {
    Secrets::new([("fleetdm_token".to_owned(), TOKEN.into())])
}

fn playbook(url: &str, hosts: usize) -> Playbook {
    let names: Vec<String> = (1..=hosts)
        .map(|number| format!("host-{number}.corp.example"))
        .collect();
    let text = json!({
        "id": "users",
        "name": "Who is logged in",
        "type": "osquery_live_query",
        "params": {
            "backend": "fleetdm",
            "base_url": url,
            "api_token": "{{ secrets.fleetdm_token }}",
            "template": "logged_in_users",
            "target_hosts": names,
            "timeout_seconds": 900,
        },
    });
    Playbook::parse("bench.yaml", &text.to_string()).expect("the playbook is valid")
}

fn started() -> Runtime {
    let runtime = one_thread();
    runtime.block_on(runner());
    runtime
}

// From the start to the moment before the first request.
#[library_benchmark]
#[bench::warm(started())]
fn start(runtime: Runtime) -> Runtime {
    runtime.block_on(async {
        let runner = runner().await;
        let playbook = playbook("http://127.0.0.1:9", 1);
        black_box(runner.prepare(&playbook, RunInputs::new(secrets()))).expect("the playbook is valid");
    });
    runtime
}

/// A loaded runner, and a playbook that it has run once.
fn ready(hosts: usize) -> (Runtime, Runner, Playbook) {
    let runtime = one_thread();
    let runner = runtime.block_on(runner());
    let playbook = playbook(&server(hosts), hosts);
    let ready = (runtime, runner, playbook);
    run(&ready);
    ready
}

fn run((runtime, runner, playbook): &(Runtime, Runner, Playbook)) {
    let inputs = RunInputs::new(secrets());
    let prepared = runner.prepare(playbook, inputs).expect("the playbook is valid");
    let report = runtime.block_on(runner.run(prepared, CancellationToken::new(), Arc::new(|_| ())));
    assert_eq!(report.status, RunStatus::Success);
}

// A step of one host.
#[library_benchmark]
#[bench::one_host(ready(1))]
fn step(ready: (Runtime, Runner, Playbook)) -> (Runtime, Runner, Playbook) {
    run(&ready);
    ready
}

// A step of many hosts, with two rows each.
#[library_benchmark]
#[bench::of_200_hosts(ready(200))]
fn rows(ready: (Runtime, Runner, Playbook)) -> (Runtime, Runner, Playbook) {
    run(&ready);
    ready
}

fn poller() -> (Runtime, Poller, TempDir) {
    let runtime = one_thread();
    let runner = runtime.block_on(runner());
    let directory = TempDir::new().expect("a temporary directory can be made");
    let config = json!({"base_url": server(1_000), "api_token": "{{ secrets.fleetdm_token }}"});
    let file = json!({"connector": "fleetdm", "name": "bench", "config": config});
    let connector = runner.read_connector(Source::new("bench.yaml", file.to_string()));
    let connector = connector.expect("the connector file is valid");
    let inputs = ConnectorInputs {
        secrets: secrets(),
        vars: Map::new(),
        directory: directory.path().to_owned(),
        format: None,
    };
    let prepared = runner.prepare_connector(&connector, inputs);
    let prepared = prepared.expect("the connector file is valid");
    let store = StateFile::open(directory.path(), "bench", "bench").expect("the state file can be made");
    let sinks: Vec<Arc<dyn playbook_host::Sink>> = vec![Arc::new(Lines::new(std::io::sink()))];
    let poller = runner.poller(prepared, Arc::new(store), sinks, Arc::new(|_| ()));
    (runtime, poller, directory)
}

// A first poll: pages of hosts become events.
#[library_benchmark]
#[bench::of_1000_hosts(poller())]
fn pages(polled: (Runtime, Poller, TempDir)) -> (Runtime, Poller, TempDir) {
    let once = polled.0.block_on(polled.1.run_once(CancellationToken::new()));
    assert_eq!(once.expect("the store and the sink work"), Once::Complete);
    polled
}

library_benchmark_group!(name = paths, benchmarks = [start, step, rows, pages]);

main!(library_benchmark_groups = paths);
