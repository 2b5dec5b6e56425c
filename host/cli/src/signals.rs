//! Requests to stop that come from outside the process: one receiver for all of them, on a thread of its own.
//!
//! What the command does at the moment cannot hold up the receiver, whatever computes, waits for the disk or blocks on a pipe.
//! The first request asks whoever holds a [`Grace`] to end; without any, and at the second request, the process ends.

use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use playbook_host::CancellationToken;

use crate::error::Exit;

/// How long whoever was asked to end may take, at most. More than a plugin's grace and the delivery of a batch take together.
const LONGEST_GRACE: Duration = Duration::from_secs(30);

/// How long the command may take to remove its temporary files and to stop its child processes when it ends at once.
const CLEARING_UP: Duration = Duration::from_millis(300);

/// Asked to end.
static ASKED: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);

/// Asked to end at once.
static AT_ONCE: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);

/// How many have something to bring to its end.
static GRACES: AtomicUsize = AtomicUsize::new(0);

/// Receives requests to stop until it is dropped.
pub(crate) struct Grace(());

/// The work that is under way wants to end by itself when it is asked to.
pub(crate) fn grace() -> Grace {
    GRACES.fetch_add(1, Ordering::SeqCst);
    Grace(())
}

impl Grace {
    /// Is cancelled when somebody asks to stop.
    #[expect(
        clippy::unused_self,
        reason = "without a grace, nobody waits for whoever has the token"
    )]
    pub(crate) fn token(&self) -> CancellationToken {
        ASKED.child_token()
    }
}

impl Drop for Grace {
    fn drop(&mut self) {
        GRACES.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether somebody asked to stop.
pub(crate) fn asked() -> bool {
    ASKED.is_cancelled() || AT_ONCE.is_cancelled()
}

/// Whether the process is about to end.
pub(crate) fn ending() -> bool {
    AT_ONCE.is_cancelled()
}

/// Returns when the process is about to end.
pub(crate) async fn at_once() {
    AT_ONCE.cancelled().await;
}

/// Starts to receive requests. They are received from the moment when this returns. `before_end` is called before the process
/// ends at once.
pub(crate) fn receive(before_end: fn()) -> io::Result<()> {
    let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        runtime.block_on(async {
            match Requests::new() {
                Ok(requests) => {
                    // Whoever started this waits for it.
                    let _ = ready.send(Ok(()));
                    answer(requests, before_end).await;
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        });
    })?;
    is_ready
        .recv()
        .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}

async fn answer(mut requests: Requests, before_end: fn()) {
    requests.next().await;
    if GRACES.load(Ordering::SeqCst) > 0 {
        ASKED.cancel();
        tokio::select! {
            () = requests.next() => {}
            () = tokio::time::sleep(LONGEST_GRACE) => {}
        }
    }
    AT_ONCE.cancel();
    ASKED.cancel();
    tokio::time::sleep(CLEARING_UP).await;
    before_end();
    std::process::exit(Exit::Interrupted as i32);
}

/// Ctrl-C, and the request of a supervisor to stop.
#[cfg(unix)]
struct Requests {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Requests {
    #[expect(clippy::disallowed_methods, reason = "the one receiver of signals")]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Requests(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Requests {
    fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
