//! Time on the CPU.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The guest computed for longer than [`Limits::cpu`].
#[derive(Debug, thiserror::Error)]
#[error("the plugin has used its {budget:?} of CPU time")]
pub(crate) struct CpuExhausted {
    pub(crate) budget: Duration,
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

    /// What is left of the budget.
    pub(crate) fn left(&self) -> Duration {
        let spent = Duration::from_nanos(self.0.spent.load(Ordering::Relaxed));
        self.0.budget.saturating_sub(spent)
    }

    /// The whole budget.
    pub(crate) fn budget(&self) -> Duration {
        self.0.budget
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
