//! Passes progress on at a pace that people can follow.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::sandbox::event::{CallEvent, CallObserver, Progress};

/// How often progress is passed on at most: nobody reads faster, and a plugin can report without end.
const PACE: Duration = Duration::from_millis(50);

/// Passes progress on at a pace. What comes too soon waits, and gives way to what comes after it.
#[derive(Clone)]
pub(crate) struct Pace(Arc<Paced>);

struct Paced {
    sink: CallObserver,
    reported: Mutex<Reported>,
    waits: Notify,
}

#[derive(Default)]
struct Reported {
    last: Option<Progress>,
    /// When progress was passed on last.
    passed: Option<Instant>,
    /// Whether `last` is still to be passed on.
    waits: bool,
}

impl Pace {
    pub(crate) fn new(sink: CallObserver) -> Self {
        Self(Arc::new(Paced {
            sink,
            reported: Mutex::default(),
            waits: Notify::new(),
        }))
    }

    pub(crate) fn report(&self, progress: Progress) {
        let mut reported = self.reported();
        if reported.last.as_ref() == Some(&progress) {
            return;
        }
        reported.last = Some(progress);
        reported.waits = true;
        drop(reported);
        if self.due().is_some() {
            self.0.waits.notify_one();
        } else {
            self.pass();
        }
    }

    /// When something can be passed on again, if not now.
    fn due(&self) -> Option<Instant> {
        let due = self.reported().passed? + PACE;
        (due > Instant::now()).then_some(due)
    }

    /// Passes on what waits, for as long as it is polled.
    pub(crate) async fn keep(&self) -> Infallible {
        loop {
            self.0.waits.notified().await;
            // While this waits, what is reported just in time is passed on by whoever reports it.
            while let Some(due) = self.due() {
                tokio::time::sleep_until(due).await;
            }
            self.pass();
        }
    }

    /// Passes on what waits at once.
    pub(crate) fn pass(&self) {
        let mut reported = self.reported();
        let waiting = reported.last.clone().filter(|_| reported.waits);
        let Some(progress) = waiting else { return };
        reported.waits = false;
        reported.passed = Some(Instant::now());
        drop(reported);
        self.0.sink.emit(CallEvent::Progress(progress));
    }

    fn reported(&self) -> MutexGuard<'_, Reported> {
        self.0.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn progress_is_passed_on_at_a_pace_and_the_last_of_it_always() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = seen.clone();
        let pace = Pace::new(CallObserver::new(move |event| {
            if let CallEvent::Progress(progress) = event {
                told.lock().unwrap().push(progress.done);
            }
        }));
        let report = |done| {
            pace.report(Progress {
                done,
                total: None,
                message: String::new(),
            });
        };
        let seen = || std::mem::take(&mut *seen.lock().unwrap());
        let keeper = pace.clone();
        tokio::spawn(async move { keeper.keep().await });
        let wait = async |millis| tokio::time::sleep(Duration::from_millis(millis)).await;
        (0..1_000).for_each(report);
        assert_eq!(seen(), [0]);
        wait(49).await;
        assert_eq!(seen(), [0; 0]);
        wait(10).await;
        assert_eq!(seen(), [999]);
        // The same again is no progress.
        wait(100).await;
        report(999);
        wait(100).await;
        assert_eq!(seen(), [0; 0]);
        (1..5).for_each(report);
        assert_eq!(seen(), [1]);
        pace.pass();
        assert_eq!(seen(), [4]);
        pace.pass();
        assert_eq!(seen(), [0; 0]);
    }
}
