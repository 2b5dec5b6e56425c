//! Time that passes only when nothing else can happen.
//!
//! What a replayed call waits for has a moment in its record. When the plugin has nothing left to do, the earliest of these
//! moments comes, and nothing else happens at it: a replay takes as long as the plugin computes, and its answers come in the
//! order in which they came when it was recorded.

use std::collections::{BTreeMap, HashSet};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// The plugin waits for something that will not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it waits for something that its record does not have")]
pub(crate) struct Stuck;

/// A clock, and who waits for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct VirtualTime(Arc<Mutex<Agenda>>);

#[derive(Debug, Default)]
struct Agenda {
    /// Microseconds since the call began.
    now: u64,
    /// Names the next one who waits.
    next: u64,
    /// Who waits, by the moment and the order in which they came.
    waiting: BTreeMap<(u64, u64), Waker>,
    /// Those whose moment has come.
    due: HashSet<u64>,
}

impl VirtualTime {
    /// Microseconds since the call began.
    pub(crate) fn now(&self) -> u64 {
        self.agenda().now
    }

    /// Waits for a moment; one that has passed comes next.
    pub(crate) fn until(&self, moment: u64) -> Until {
        Until {
            time: self.clone(),
            moment,
            name: None,
        }
    }

    /// Runs a future that waits for nothing but this clock.
    pub(crate) async fn drive<F: Future>(&self, future: F) -> Result<F::Output, Stuck> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            loop {
                let woken = Arc::new(Woken {
                    outer: cx.waker().clone(),
                    inner: AtomicBool::new(false),
                });
                let waker = Waker::from(woken.clone());
                if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return Poll::Ready(Ok(done));
                }
                // It has more to do, and will be polled for that.
                if woken.inner.load(Ordering::SeqCst) {
                    return Poll::Pending;
                }
                if !self.pass() {
                    return Poll::Ready(Err(Stuck));
                }
            }
        })
        .await
    }

    /// Lets the earliest moment come that somebody waits for.
    fn pass(&self) -> bool {
        let waker = {
            let mut agenda = self.agenda();
            let Some(((moment, name), waker)) = agenda.waiting.pop_first() else {
                return false;
            };
            agenda.now = agenda.now.max(moment);
            agenda.due.insert(name);
            waker
        };
        waker.wake();
        true
    }

    fn agenda(&self) -> MutexGuard<'_, Agenda> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes a wake-up on and remembers that there was one.
struct Woken {
    outer: Waker,
    inner: AtomicBool,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.inner.store(true, Ordering::SeqCst);
        self.outer.wake_by_ref();
    }
}

/// Waiting for a moment.
#[derive(Debug)]
pub(crate) struct Until {
    time: VirtualTime,
    moment: u64,
    name: Option<u64>,
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let time = self.time.clone();
        let mut agenda = time.agenda();
        let name = *self.name.get_or_insert_with(|| {
            agenda.next += 1;
            agenda.next
        });
        if agenda.due.remove(&name) {
            return Poll::Ready(());
        }
        agenda.waiting.insert((self.moment, name), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        if let Some(name) = self.name {
            let mut agenda = self.time.agenda();
            agenda.waiting.remove(&(self.moment, name));
            agenda.due.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use futures::future::{join3, select};

    use super::*;

    #[tokio::test]
    async fn moments_come_in_their_order_and_without_waiting() {
        let time = VirtualTime::default();
        let seen = RefCell::new(Vec::new());
        let wait = |name: &'static str, moment| {
            let (time, seen) = (time.clone(), &seen);
            async move {
                time.until(moment).await;
                seen.borrow_mut().push((name, time.now()));
            }
        };
        let hour = 3_600_000_000;
        let all = async {
            join3(wait("late", hour), wait("early", 5), wait("as early", 5)).await;
            // What is dropped is not waited for, and what has passed comes at once.
            select(pin!(wait("never", 3 * hour)), pin!(wait("next", 2 * hour))).await;
            wait("passed", 1).await;
        };
        time.drive(all).await.unwrap();
        assert_eq!(
            *seen.borrow(),
            [
                ("early", 5),
                ("as early", 5),
                ("late", hour),
                ("next", 2 * hour),
                ("passed", 2 * hour)
            ]
        );
        assert_eq!(time.drive(std::future::pending::<()>()).await, Err(Stuck));
    }
}
