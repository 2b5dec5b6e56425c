//! Counts instructions, which are the same on a busy machine, and fails where they have grown by more than 5 %.
//!
//! `make instructions` runs it; it needs Valgrind and `gungraun-runner`. Nothing here is sent: what servers said was recorded, or
//! is made up, so that each run does the same. Whole processes are counted, parts of this crate's program, since Valgrind loses
//! track of functions when plugins switch stacks. Who makes something faster, or has a reason for more, writes the new figure here.

#![allow(
    missing_docs,
    clippy::disallowed_macros,
    reason = "the macros make items without words, and print"
)]

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};

/// Compiled plugins. Valgrind's processor is none that there is, so that its runs have them to themselves.
const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled");

/// A part of the program, as it is run.
fn part(args: &[&str]) -> gungraun::Command {
    gungraun::Command::new(env!("CARGO_BIN_EXE_bench")).args(args).build()
}

/// Fails where there are 5 % more than this.
fn figure(instructions: u64) -> BinaryBenchmarkConfig {
    let limit = instructions / 100 * 105;
    let mut config = BinaryBenchmarkConfig::default();
    config.tool(Callgrind::with_args(["--cache-sim=no"]).hard_limits([(EventKind::Ir, limit)]));
    config
}

// The first start, which compiles the plugin, unless an earlier run of this did. What comes after it finds it compiled.
#[binary_benchmark(config = figure(16_187_000_000))]
#[bench::cold()]
fn first_start() -> gungraun::Command {
    part(&["start-once", CACHE])
}

// A start: load the plugin, read a playbook, fill it in and check it.
#[binary_benchmark(config = figure(35_410_000))]
#[bench::warm()]
fn start() -> gungraun::Command {
    part(&["start-once", CACHE])
}

// The same, and fifty times the calls of a record: their requests, websockets and rows.
#[binary_benchmark(config = figure(723_580_000))]
#[bench::recorded()]
fn steps() -> gungraun::Command {
    part(&["replay", CACHE])
}

// A first poll of 2,000 hosts by the plugin's code, natively.
#[binary_benchmark(config = figure(297_550_000))]
#[bench::of_2000_hosts()]
fn pages() -> gungraun::Command {
    part(&["poll-paper"])
}

binary_benchmark_group!(name = paths, benchmarks = [first_start, start, steps, pages]);

main!(binary_benchmark_groups = paths);
