//! Counts instructions, which are the same on a busy machine, and fails where they have grown by more than 5 %.
//!
//! `make instructions` runs it; it needs Valgrind and `gungraun-runner`. Nothing here is sent: what servers said was recorded, or
//! is made up, so that each run does the same. Who makes something faster, or has a reason for more, writes the new figure down here.

#![allow(
    missing_docs,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "the macros make items without words, and print"
)]

mod paper;

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use playbook_host::{Engine, EventSink, Limits, Playbook, RunInputs, RunRecord, Runner, Secrets};
use serde_json::json;
use step_osquery::connector::{self, Settings};
use tokio::runtime::Runtime;

use self::paper::Paper;

const TOKEN: &str = "token-of-no-server";

/// Compiled plugins, which the processes of all benchmarks share: Valgrind takes two minutes to compile one.
const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled");

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
    let engine = Engine::new(Some(Path::new(CACHE))).expect("the runtime starts");
    let mut runner = Runner::new(engine, limits);
    let loaded = runner.load("built-in", embedded_plugin::COMPONENT).await;
    loaded.expect("the built-in plugin is in order");
    runner
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
#[library_benchmark(config = figure(150_000_000))]
#[bench::warm(started())]
fn start(runtime: Runtime) -> Runtime {
    runtime.block_on(async {
        let runner = runner().await;
        let playbook = playbook("http://127.0.0.1:9", 1);
        black_box(runner.prepare(&playbook, RunInputs::new(secrets()))).expect("the playbook is valid");
    });
    runtime
}

/// A run that was recorded with all that its servers said.
const RECORD: &[u8] = include_bytes!("../../records/v1.json");

fn recorded() -> (Runtime, Runner, RunRecord) {
    let runtime = one_thread();
    let runner = runtime.block_on(runner());
    let record = RunRecord::parse(RECORD).expect("records of this version are readable");
    (runtime, runner, record)
}

// Four calls of steps, with their requests, websockets and rows, against servers and clocks of the record.
#[library_benchmark(config = figure(100_000_000))]
#[bench::recorded(recorded())]
fn step(recorded: (Runtime, Runner, RunRecord)) -> (Runtime, Runner, RunRecord) {
    let (runtime, runner, record) = &recorded;
    for call in &record.calls {
        let replayed = runtime.block_on(runner.replay(record, call, EventSink::ignore()));
        assert!(replayed.outcome.is_some(), "{:?}", replayed.reason);
    }
    recorded
}

// A first poll: pages of hosts become events. Natively, and without a runner: the plugin's own code.
#[library_benchmark(config = figure(500_000_000))]
#[bench::of_2000_hosts(Paper::with(2_000))]
fn pages(paper: Paper) -> Paper {
    let settings = Settings {
        format: "aisoc".into(),
        config: json!({"base_url": "https://fleet.example.com", "api_token": TOKEN}).to_string(),
        options: "{}".into(),
    };
    let polled = futures::executor::block_on(connector::poll(&paper, "fleetdm", "hosts", &settings));
    assert_eq!(polled.expect("the pages are right").failures, Vec::<String>::new());
    assert_eq!(paper.events.get(), 2_000);
    paper
}

/// Fails where there are 5 % more than this.
fn figure(instructions: u64) -> LibraryBenchmarkConfig {
    let limit = instructions / 100 * 105;
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(Callgrind::with_args(["--cache-sim=no"]).hard_limits([(EventKind::Ir, limit)]));
    config
}

library_benchmark_group!(name = paths, benchmarks = [start, step, pages]);

main!(library_benchmark_groups = paths);
