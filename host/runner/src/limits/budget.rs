//! What one call may make the process hold, and what all calls together may.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Limits;
use super::pool::{Account, Held, Pool};

/// What the requests, answers and messages of a call share, in bytes. One answer or message may be larger.
const SHARED_BY_A_CALL: usize = 32 << 20;

/// What a connection costs besides the bytes that are counted: the buffers of the protocols.
pub(crate) const CONNECTION: usize = 128 << 10;

/// What a function of the host costs while the plugin waits for it.
const WAITING: usize = 4 << 10;

/// The memory that a call reserves when it begins, for pending functions and small requests, in bytes. So a running call does
/// not fail because others have taken the rest.
const OWN: usize = 1 << 20;

/// What the calls of a process share.
#[derive(Debug, Clone)]
pub(crate) struct Pools {
    calls: Pool,
    results: Arc<Results>,
}

#[derive(Debug)]
struct Results {
    limit: usize,
    held: AtomicUsize,
}

/// The results that a run keeps. They count until it is dropped.
#[derive(Debug)]
pub(crate) struct ResultsHeld {
    results: Arc<Results>,
    bytes: AtomicUsize,
}

/// What one call may make the process hold. Clones are the same budget.
#[derive(Debug, Clone)]
pub(crate) struct CallBudget {
    process: Account,
    own: Account,
    traffic: Pool,
    lowering: Arc<Mutex<Vec<InFlight>>>,
    /// Whether the plugin was interrupted, or waits for memory, since it was last continued.
    interrupted: Arc<Mutex<bool>>,
    limit: usize,
}

/// A request, an answer or a message of a call on its way.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    call: Account,
    process: Account,
    own: Account,
    limit: usize,
}

/// Bytes that are on their way.
#[derive(Debug)]
pub(crate) struct InFlight {
    call: Held,
    process: Held,
    limit: usize,
}

/// Bytes that have come from the plugin. They count until this is dropped.
#[derive(Debug)]
pub(crate) struct Arrived {
    _call: Held,
    _process: Held,
}

/// More bytes than may be on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exhausted {
    #[error("what this call sends and receives would take more than the {} MiB it may hold at once", limit >> 20)]
    Call { limit: usize },
    #[error("the calls under way have taken all the memory that they share (`shared_mib` in a policy)")]
    Process,
}

impl Pools {
    pub(crate) fn new(limits: &Limits) -> Self {
        // What one call may hold: then there is always one that gets on.
        let reserve = limits.memory.saturating_add(in_flight(limits)).saturating_add(OWN);
        Self {
            calls: Pool::new(limits.shared, reserve),
            results: Arc::new(Results {
                limit: limits.results,
                held: AtomicUsize::new(0),
            }),
        }
    }

    /// The budget of a new call.
    pub(crate) fn call(&self, limits: &Limits) -> CallBudget {
        CallBudget {
            process: self.calls.account(),
            own: Pool::new(OWN, 0).account(),
            traffic: Pool::new(SHARED_BY_A_CALL, limits.body),
            lowering: Arc::default(),
            interrupted: Arc::default(),
            limit: in_flight(limits),
        }
    }

    /// The results of a new run.
    pub(crate) fn results(&self) -> ResultsHeld {
        ResultsHeld {
            results: self.results.clone(),
            bytes: AtomicUsize::new(0),
        }
    }
}

/// What the requests, answers and messages of one call may hold.
fn in_flight(limits: &Limits) -> usize {
    limits.body.saturating_add(SHARED_BY_A_CALL)
}

impl ResultsHeld {
    /// How many more bytes may be kept.
    pub(crate) fn left(&self) -> usize {
        self.results
            .limit
            .saturating_sub(self.results.held.load(Ordering::Relaxed))
    }

    /// The most that all results may take, in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.results.limit
    }

    /// Returns another counter of the same results.
    pub(crate) fn another(&self) -> Self {
        Self {
            results: self.results.clone(),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Takes over the count of another counter.
    pub(crate) fn join(&self, mut other: Self) {
        self.bytes
            .fetch_add(std::mem::take(other.bytes.get_mut()), Ordering::Relaxed);
    }

    /// Stops counting bytes of a result.
    pub(crate) fn give_back(&self, bytes: usize) {
        let counted = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            Some(held.saturating_sub(bytes))
        });
        let counted = counted.unwrap_or_default().min(bytes);
        self.results.held.fetch_sub(counted, Ordering::Relaxed);
    }

    /// Counts a result. Returns whether there was room for it.
    pub(crate) fn keep(&self, bytes: usize) -> bool {
        let limit = self.results.limit;
        let kept = self
            .results
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                held.checked_add(bytes).filter(|held| *held <= limit)
            });
        let kept = kept.is_ok();
        self.bytes.fetch_add(if kept { bytes } else { 0 }, Ordering::Relaxed);
        kept
    }
}

impl Drop for ResultsHeld {
    fn drop(&mut self) {
        self.results.held.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

impl CallBudget {
    /// The budget of a call that is the only one.
    #[cfg(test)]
    pub(crate) fn alone(limits: &Limits) -> Self {
        Pools::new(limits).call(limits)
    }

    /// What a new call has of the process, for what the plugin itself needs.
    pub(crate) fn memory(&self) -> Held {
        self.process.nothing()
    }

    /// Reserves the memory that a call keeps until its end.
    pub(crate) async fn begin(&self) -> Result<Held, Exhausted> {
        let mut held = self.process.nothing();
        held.grow(OWN).await.map_err(|_| Exhausted::Process)?;
        Ok(held)
    }

    /// A new request, answer or message.
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            call: self.traffic.account(),
            process: self.process.clone(),
            own: self.own.clone(),
            limit: self.limit,
        }
    }

    /// A function of the host that the plugin will wait for.
    pub(crate) fn waiting(&self) -> Result<Held, Exhausted> {
        at_once(&self.own, &self.process, WAITING)
    }

    /// Keeps the bytes of an answer until it has been copied into the plugin's memory.
    pub(crate) fn lower(&self, answer: InFlight) {
        self.lowering
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(answer);
    }

    /// Notes that the plugin was interrupted: it may be about to make room for an answer.
    pub(crate) fn interrupt(&self) {
        *self.interrupted.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// To be called when the plugin was continued and has come to rest. What was returned to it has arrived in its memory,
    /// unless it was interrupted.
    pub(crate) fn rests(&self) {
        let interrupted = std::mem::take(&mut *self.interrupted.lock().unwrap_or_else(PoisonError::into_inner));
        if !interrupted {
            self.lowering.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

impl Traffic {
    /// Nothing yet.
    pub(crate) fn nothing(&self) -> InFlight {
        InFlight {
            call: self.call.nothing(),
            process: self.process.nothing(),
            limit: self.limit,
        }
    }

    /// Bytes that are here already, and are refused if there is no room for them.
    pub(crate) fn arrived(&self, bytes: usize) -> Result<Arrived, Exhausted> {
        let mut call = self.call.nothing();
        if !call.try_grow(bytes) {
            return Err(Exhausted::Call { limit: self.limit });
        }
        let process = at_once(&self.own, &self.process, bytes)?;
        Ok(Arrived {
            _call: call,
            _process: process,
        })
    }
}

/// Takes bytes that cannot wait: from the call's own memory, or else from the shared memory.
fn at_once(own: &Account, process: &Account, bytes: usize) -> Result<Held, Exhausted> {
    for account in [own, process] {
        let mut held = account.nothing();
        if held.try_grow(bytes) {
            return Ok(held);
        }
    }
    Err(Exhausted::Process)
}

impl InFlight {
    /// Waits until there is room for more bytes.
    pub(crate) async fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let limit = self.limit;
        // Always in this order: whoever draws on the reserve of the process waits for nobody in its own call.
        let exhausted = |_| Exhausted::Call { limit };
        self.call.grow(bytes).await.map_err(exhausted)?;
        self.process.grow(bytes).await.map_err(exhausted)
    }

    /// Takes over the bytes of another part of the same.
    pub(crate) fn join(&mut self, other: Self) {
        self.call.join(other.call);
        self.process.join(other.process);
    }

    /// Hands over the bytes, and keeps so many.
    pub(crate) fn take_but(&mut self, kept: usize) -> Self {
        Self {
            call: self.call.take_but(kept),
            process: self.process.take_but(kept),
            limit: self.limit,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.process.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_under_way_does_not_fail_because_others_have_taken_the_rest() {
        let limits = Limits {
            shared: OWN,
            ..Limits::default()
        };
        let pools = Pools::new(&limits);
        let (call, other) = (pools.call(&limits), pools.call(&limits));
        let _own = call.begin().await.unwrap();
        let mut rest = other.memory();
        rest.grow(limits.memory + in_flight(&limits) + OWN).await.unwrap();
        let waiting: Vec<Held> = (0..16).map(|_| call.waiting().unwrap()).collect();
        let sent = call.traffic().arrived(512 << 10).unwrap();
        // Beyond what it has of its own, it shares.
        assert_eq!(call.traffic().arrived(OWN).unwrap_err(), Exhausted::Process);
        drop((waiting, sent, rest));
        call.traffic().arrived(OWN + 1).unwrap();
    }
}
