//! Polls a connector on its interval and delivers what it tells: each event at least once, none left out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::{full_jitter, jittered};
use crate::clock;
use crate::net::egress::Network;
use crate::poll::connector::PreparedConnector;
use crate::poll::sink::{SinkError, Sinks};
use crate::sandbox::event::{CallEvent, CallObserver};
use crate::sandbox::plugin::polling::{PollSummary, Taken};
use crate::sandbox::plugin::{FailureKind, Plugin, PluginError, StepFailure};
use crate::sandbox::store::{Batch, Memory, Severity, Store, StoreError, blocking, hosts_key};

mod health;
// It polls a simulated server with the built-in plugin, of which nothing here knows.
#[cfg(test)]
mod crash;

use self::health::GIVING_UP;

/// How long a batch under way may take after a request to stop.
const DRAINING: Duration = Duration::from_secs(10);

/// A connector that is polled.
///
/// Each of its streams is polled on its own: one that is slow or fails holds up no other. A batch of events is journaled,
/// delivered to every sink, and its changes are made once all have acknowledged it; one batch at a time, whatever the
/// stream. After a crash the batch that was under way is delivered again, byte for byte.
pub struct Poller {
    plugin: Arc<Plugin>,
    network: Network,
    connector: PreparedConnector,
    store: Arc<dyn Store>,
    sinks: Sinks,
    observer: PollObserver,
    /// Held by whoever delivers.
    turn: Mutex<Turn>,
}

/// Whether batches may be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Open,
    /// One is on its way and not acknowledged. Should it never be, it is what the next process has to deliver: nothing may
    /// take its place in the journal.
    Taken,
}

/// Receives what happens while polling, as it happens; it should return at once.
pub type PollObserver = Arc<dyn Fn(PollEvent) + Send + Sync>;

/// Something that happened while polling. Texts are free of secrets.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PollEvent {
    /// A batch that an earlier process had not finished was delivered again.
    Redelivered {
        /// Its events.
        events: usize,
    },
    /// The plugin said something.
    Said {
        /// The stream.
        stream: String,
        /// What it said.
        event: CallEvent,
    },
    /// Events were acknowledged by every sink.
    Delivered {
        /// How much each matters.
        severities: Vec<Severity>,
    },
    /// A sink did not take events; they are kept and delivered again.
    SinkFailed {
        /// The sink.
        sink: String,
        /// Why.
        message: String,
        /// How long until the next try.
        again_in: Duration,
    },
    /// A poll failed and is tried again.
    Retrying {
        /// The stream.
        stream: String,
        /// Why.
        failure: PollFailure,
        /// How long until the next try.
        again_in: Duration,
    },
    /// A poll ended, for good or for bad.
    Finished(Cycle),
}

/// A poll of a stream, retries included.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Cycle {
    /// The stream.
    pub stream: String,
    /// What was read, or why nothing was.
    pub outcome: Result<PollSummary, PollFailure>,
    /// How many events were delivered.
    pub events: usize,
    /// How long it took.
    pub duration: Duration,
    /// How long until the next poll begins; none if there is none.
    pub next: Option<Duration>,
}

/// Why a poll failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct PollFailure {
    /// What kind of failure; none if the plugin itself misbehaved.
    pub kind: Option<FailureKind>,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// Why polling ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PollError {
    /// Nothing can be remembered.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sink will never take events again.
    #[error("{0}")]
    Sink(String),
    /// The plugin cannot say what it is asked to.
    #[error(transparent)]
    Plugin(#[from] PluginError),
}

/// How polling once went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    /// Every stream was read.
    Complete,
    /// Parts could not be read.
    Partial,
    /// A stream could not be read.
    Failed,
}

impl Poller {
    pub(crate) fn new(
        plugin: Arc<Plugin>,
        network: Network,
        connector: PreparedConnector,
        store: Arc<dyn Store>,
        sinks: Sinks,
        observer: PollObserver,
    ) -> Self {
        Self {
            plugin,
            network,
            connector,
            store,
            sinks,
            observer,
            turn: Mutex::new(Turn::Open),
        }
    }

    /// Polls until asked to stop. What is being delivered then is finished, if the sinks take it within a few seconds.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), PollError> {
        self.redeliver(&stop).await?;
        let streams = self.connector.streams.iter().map(|stream| self.follow(stream, &stop));
        // An error of one ends all: it is the store's or a sink's, which they share.
        futures::future::try_join_all(streams).await?;
        Ok(())
    }

    /// Polls every stream once.
    pub async fn run_once(&self, stop: CancellationToken) -> Result<Once, PollError> {
        self.redeliver(&stop).await?;
        let streams = self.connector.streams.iter().map(|stream| async {
            let cycle = self.cycle(stream, &stop).await?;
            let once = match &cycle.outcome {
                Ok(summary) if summary.failures.is_empty() => Once::Complete,
                Ok(_) => Once::Partial,
                Err(_) => Once::Failed,
            };
            (self.observer)(PollEvent::Finished(cycle));
            Ok::<_, PollError>(once)
        });
        let ended = futures::future::try_join_all(streams).await?;
        let worst = [Once::Failed, Once::Partial]
            .into_iter()
            .find(|worst| ended.contains(worst));
        Ok(worst.unwrap_or(Once::Complete))
    }

    /// Delivers what an earlier process had begun to deliver.
    async fn redeliver(&self, stop: &CancellationToken) -> Result<(), PollError> {
        let store = self.store.clone();
        let Some(batch) = blocking(move || store.pending()).await? else {
            return Ok(());
        };
        let mut turn = self.turn.lock().await;
        *turn = Turn::Taken;
        let events = batch.events.len();
        if self.hand_over(&batch, stop).await? {
            self.remember(Arc::new(batch)).await?;
            *turn = Turn::Open;
            (self.observer)(PollEvent::Redelivered { events });
        }
        Ok(())
    }

    /// Polls a stream on the interval.
    async fn follow(&self, stream: &str, stop: &CancellationToken) -> Result<(), PollError> {
        while !stop.is_cancelled() {
            let began = Instant::now();
            let mut cycle = self.cycle(stream, stop).await?;
            let next = (began + jittered(self.connector.interval)).saturating_duration_since(Instant::now());
            cycle.next = Some(next).filter(|_| !stop.is_cancelled());
            (self.observer)(PollEvent::Finished(cycle));
            sleep(next, stop).await;
        }
        Ok(())
    }

    /// Polls a stream, again and again while it fails in a way that may pass, until it is given up.
    async fn cycle(&self, stream: &str, stop: &CancellationToken) -> Result<Cycle, PollError> {
        let began = Instant::now();
        let mut events = 0;
        let key = hosts_key(&format!("health/{stream}"));
        let mut health = self.health(&key).await?;
        let outcome = loop {
            let (outcome, delivered) = self.poll(stream, stop).await?;
            events += delivered;
            let failure = match outcome {
                Ok(summary) => {
                    events += self.recovered(stream, &key, &health, stop).await?;
                    break Ok(summary);
                }
                Err(failure) => failure,
            };
            if stop.is_cancelled() {
                break Err(failure);
            }
            health.failures += 1;
            health.since.get_or_insert_with(clock::now);
            if !failure.may_pass() || health.failures >= GIVING_UP {
                events += self.gave_up(stream, &key, &mut health, &failure, stop).await?;
                break Err(failure);
            }
            let again_in = full_jitter(health.failures);
            (self.observer)(PollEvent::Retrying {
                stream: stream.to_owned(),
                failure,
                again_in,
            });
            sleep(again_in, stop).await;
        };
        Ok(Cycle {
            stream: stream.to_owned(),
            outcome,
            events,
            duration: began.elapsed(),
            next: None,
        })
    }

    /// Polls a stream once, and delivers its batches as they come.
    async fn poll(
        &self,
        stream: &str,
        stop: &CancellationToken,
    ) -> Result<(Result<PollSummary, PollFailure>, usize), PollError> {
        let (sender, mut batches) = mpsc::channel(1);
        let mut call = self.connector.call();
        call.remembered = Memory::of(self.store.clone());
        call.cancel = stop.clone();
        let (named, observer) = (stream.to_owned(), self.observer.clone());
        call.events = CallObserver::new(move |event| {
            observer(PollEvent::Said {
                stream: named.clone(),
                event,
            });
        });
        let polling = async {
            // A request to stop reaches the plugin, which has a grace period to end what it began on the server. What was
            // handed over is delivered all the same; what was not stays to be read again.
            let polled = self.plugin.poll(&self.network, call, stream, sender).await;
            polled.map_err(|error| {
                if stop.is_cancelled() {
                    return PollFailure::stopped();
                }
                PollFailure::from(error)
            })
        };
        // Owns the receiver: however this ends, whoever still writes must not wait for somebody to read.
        let delivering = async move {
            let (mut delivered, mut refused) = (0, None);
            while let Some(Taken { batch, held: _held }) = batches.recv().await {
                refused = self.too_much(&batch).await?;
                let events = batch.events.len();
                if refused.is_some() || !self.deliver(batch, stop).await? {
                    break;
                }
                delivered += events;
            }
            Ok::<_, PollError>((delivered, refused))
        };
        let (polled, delivered) = tokio::join!(polling, delivering);
        let (delivered, refused) = delivered?;
        Ok((refused.map_or(polled, Err), delivered))
    }

    /// Why what is to be remembered with a batch is not, if it would be more than the connector may remember.
    async fn too_much(&self, batch: &Batch) -> Result<Option<PollFailure>, PollError> {
        if batch.changes.is_empty() {
            return Ok(None);
        }
        let (limit, more) = (self.plugin.limits.state, batch.remembered() as u64);
        let store = self.store.clone();
        let size = blocking(move || store.size()).await?;
        Ok((size.saturating_add(more) > limit).then(|| PollFailure {
            kind: Some(FailureKind::NotAllowed),
            message: format!(
                "plugin `{}` wants to remember more than the {} MiB that a connector may",
                self.plugin.name(),
                limit >> 20
            ),
            hint: Some("the operator can allow more with `state_mib` under `limits` in a policy".to_owned()),
        }))
    }

    /// Delivers a batch and makes its changes. Tells whether it was acknowledged; it is not when there is no time left.
    async fn deliver(&self, batch: Batch, stop: &CancellationToken) -> Result<bool, PollError> {
        let batch = Arc::new(batch);
        let mut turn = self.turn.lock().await;
        if *turn == Turn::Taken {
            return Ok(false);
        }
        *turn = Turn::Taken;
        if !batch.events.is_empty() {
            let (store, kept) = (self.store.clone(), Arc::clone(&batch));
            blocking(move || store.begin(&kept)).await?;
            if !self.hand_over(&batch, stop).await? {
                return Ok(false);
            }
        }
        self.remember(batch).await?;
        *turn = Turn::Open;
        Ok(true)
    }

    /// Gives a batch to every sink, as often as it takes.
    async fn hand_over(&self, batch: &Batch, stop: &CancellationToken) -> Result<bool, PollError> {
        for sink in &self.sinks {
            for events in batch.events.chunks(sink.batch_size()) {
                let mut failures = 0;
                loop {
                    let delivered = tokio::select! {
                        delivered = sink.deliver(events) => delivered,
                        () = drained(stop) => return Ok(false),
                    };
                    match delivered {
                        Ok(()) => break,
                        Err(SinkError::Gone(message)) => return Err(PollError::Sink(message)),
                        Err(SinkError::Later(message)) => {
                            failures += 1;
                            let again_in = full_jitter(failures);
                            (self.observer)(PollEvent::SinkFailed {
                                sink: sink.name().to_owned(),
                                message,
                                again_in,
                            });
                            tokio::select! {
                                () = tokio::time::sleep(again_in) => {}
                                () = drained(stop) => return Ok(false),
                            }
                        }
                    }
                }
            }
        }
        let severities = batch.events.iter().map(|event| event.severity).collect();
        (self.observer)(PollEvent::Delivered { severities });
        Ok(true)
    }

    async fn remember(&self, batch: Arc<Batch>) -> Result<(), PollError> {
        let store = self.store.clone();
        Ok(blocking(move || store.commit(&batch.changes)).await?)
    }
}

impl PollFailure {
    /// Whether trying again soon may help.
    fn may_pass(&self) -> bool {
        use FailureKind::{Auth, InvalidParams, NotAllowed, NotFound, Permission};
        !matches!(
            self.kind,
            Some(Auth | InvalidParams | NotAllowed | NotFound | Permission)
        )
    }

    fn stopped() -> Self {
        Self {
            kind: Some(FailureKind::Cancelled),
            message: "it was asked to stop".into(),
            hint: None,
        }
    }
}

impl From<PluginError> for PollFailure {
    fn from(error: PluginError) -> Self {
        match error {
            PluginError::Failed(StepFailure {
                kind, message, hint, ..
            }) => Self {
                kind: Some(kind),
                message,
                hint,
            },
            other => Self {
                kind: None,
                message: other.to_string(),
                hint: None,
            },
        }
    }
}

/// Waits, unless asked to stop.
async fn sleep(duration: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(duration) => {}
        () = stop.cancelled() => {}
    }
}

/// Returns when the time is over that a batch under way gets after a request to stop.
async fn drained(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(DRAINING).await;
}
