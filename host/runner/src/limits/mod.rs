//! What one plugin call may use, and how each limit is enforced.

use std::time::Duration;

use tokio::time::Instant;

mod budget;
mod cpu;
mod guest;
mod pool;

pub(crate) use self::budget::{Arrived, CONNECTION, CallBudget, Exhausted, InFlight, Pools, ResultsHeld, Traffic};
pub(crate) use self::cpu::{CpuExhausted, CpuMeter};
pub(crate) use self::guest::{GuestMemory, INSTANCES, MemoryExhausted};
pub(crate) use self::pool::Held;

/// What one plugin call may use.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Memories and tables of a call together, in bytes. Default 64 MiB.
    pub memory: usize,
    /// What the calls of a process share beyond what one of them may use alone, in bytes; others wait. Default 96 MiB.
    pub shared: usize,
    /// Time on the CPU; waiting uses none of it. Default 10 s.
    pub cpu: Duration,
    /// How long a call without a time limit of its own may take. Default 60 s.
    pub deadline: Duration,
    /// Time on the CPU for one poll of a connector, which may read a whole fleet. Default 5 min.
    pub poll_cpu: Duration,
    /// How long one poll of a connector may take, waiting for whoever takes its events included. Default 1 h.
    pub poll_deadline: Duration,
    /// What a call gets on top of its time limit, and after a request to stop, before it is dropped. Default 5 s.
    pub grace: Duration,
    /// The largest response body or websocket frame, in bytes. Default 64 MiB.
    pub body: usize,
    /// The largest result of a step, in bytes. Default 32 MiB.
    pub result: usize,
    /// What the results that a process keeps may take in memory, in bytes. Default 128 MiB.
    pub results: usize,
    /// The largest batch of a poll, events and changes of what is remembered together, in bytes. Default 8 MiB.
    pub batch: usize,
    /// What a connector may remember, in bytes. Default 256 MiB.
    pub state: u64,
    /// The largest plugin, in bytes. Default 16 MiB.
    pub plugin: usize,
    /// Memory for compiling a plugin in a process of its own, in bytes. Default 384 MiB.
    pub compile_memory: u64,
    /// Time on the CPU for compiling a plugin in a process of its own. Default 30 s.
    pub compile_cpu: Duration,
    /// The header fields of a response in all, in bytes. Default 64 KiB.
    pub headers: usize,
    /// Requests and websockets of a call in all, repetitions included. Default 100,000.
    pub requests: u32,
    /// Requests and websockets a call may have open at once; more wait their turn. Default 64.
    pub connections: usize,
    /// How many log messages of a call are passed on. Default 1,000.
    pub log_messages: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            shared: 96 << 20,
            cpu: Duration::from_secs(10),
            deadline: Duration::from_mins(1),
            poll_cpu: Duration::from_mins(5),
            poll_deadline: Duration::from_hours(1),
            grace: Duration::from_secs(5),
            body: 64 << 20,
            result: 32 << 20,
            results: 128 << 20,
            batch: 8 << 20,
            state: 256 << 20,
            plugin: 16 << 20,
            compile_memory: 384 << 20,
            compile_cpu: Duration::from_secs(30),
            headers: 64 << 10,
            requests: 100_000,
            connections: 64,
            log_messages: 1_000,
        }
    }
}

/// The longest time that anybody waits. What a plugin or a file says can be longer than clocks go.
const LONGEST: Duration = Duration::from_hours(24 * 366);

/// A number of seconds that a file or a plugin has given.
pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds).min(LONGEST)
}

/// The moment when a time will have passed, however long that is.
pub(crate) fn later(time: Duration) -> Instant {
    Instant::now() + time.min(LONGEST)
}
