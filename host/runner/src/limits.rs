//! What one plugin call may use, and how each limit is enforced.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

/// What one plugin call may use.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Linear memory, in bytes. Default 64 MiB.
    pub memory: usize,
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
            cpu: Duration::from_secs(10),
            deadline: Duration::from_mins(1),
            poll_cpu: Duration::from_mins(5),
            poll_deadline: Duration::from_hours(1),
            grace: Duration::from_secs(5),
            body: 64 << 20,
            result: 32 << 20,
            headers: 64 << 10,
            requests: 100_000,
            connections: 64,
            log_messages: 1_000,
        }
    }
}

/// The guest wanted more memory than [`Limits::memory`].
#[derive(Debug, thiserror::Error)]
#[error("the plugin needs more than its {limit} bytes of memory")]
pub(crate) struct MemoryExhausted {
    pub(crate) limit: usize,
}

/// The guest computed for longer than [`Limits::cpu`].
#[derive(Debug, thiserror::Error)]
#[error("the plugin has used its {budget:?} of CPU time")]
pub(crate) struct CpuExhausted {
    pub(crate) budget: Duration,
}

/// Refuses growth beyond a limit with a typed error, where wasmtime alone would only trap.
pub(crate) struct MemoryCap(pub(crate) usize);

impl ResourceLimiter for MemoryCap {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.0 {
            return Err(wasmtime::Error::new(MemoryExhausted { limit: self.0 }));
        }
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        // An entry costs the host eight bytes and some: the memory cap bounds tables, too.
        Ok(desired.saturating_mul(16) <= self.0)
    }
}

/// How long a call has been on the CPU.
///
/// Epochs alone measure the wall clock, so a plugin that only waits for a server would be charged. The meter counts
/// the time spent inside the call's future instead; the epoch callback asks it often enough to end an endless loop.
#[derive(Debug, Clone)]
pub(crate) struct CpuMeter(Arc<Meter>);

#[derive(Debug)]
struct Meter {
    born: Instant,
    budget: Duration,
    /// Nanoseconds of finished polls.
    spent: AtomicU64,
    /// When the running poll began, in nanoseconds after `born`.
    running_since: AtomicU64,
}

impl CpuMeter {
    #[expect(
        clippy::disallowed_methods,
        reason = "computing takes real time, whatever the clock of a test says"
    )]
    pub(crate) fn new(budget: Duration) -> Self {
        Self(Arc::new(Meter {
            born: Instant::now(),
            budget,
            spent: AtomicU64::new(0),
            running_since: AtomicU64::new(0),
        }))
    }

    /// Fails once the budget is spent. To be called while the measured future runs.
    pub(crate) fn check(&self) -> Result<(), CpuExhausted> {
        let running = self
            .elapsed()
            .saturating_sub(self.0.running_since.load(Ordering::Relaxed));
        let spent = Duration::from_nanos(self.0.spent.load(Ordering::Relaxed).saturating_add(running));
        if spent > self.0.budget {
            return Err(CpuExhausted { budget: self.0.budget });
        }
        Ok(())
    }

    /// Charges `future`'s polls to this meter.
    pub(crate) fn measure<F: Future>(&self, future: F) -> Measured<F> {
        Measured {
            meter: self.clone(),
            future: Box::pin(future),
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.0.born.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A future whose polls are charged to a [`CpuMeter`].
pub(crate) struct Measured<F> {
    meter: CpuMeter,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Measured<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let began = self.meter.elapsed();
        self.meter.0.running_since.store(began, Ordering::Relaxed);
        let polled = self.future.as_mut().poll(cx);
        let took = self.meter.elapsed().saturating_sub(began);
        self.meter.0.spent.fetch_add(took, Ordering::Relaxed);
        polled
    }
}
