//! What connectors are asked for: to check a connection, to poll a stream, to format a notice.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, PollSender};
use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, FutureConsumer, Source, StreamConsumer, StreamResult};

use super::{Plugin, PluginError, StepFailure};
use crate::limits::{Arrived, CallBudget, later};
use crate::net::egress::{Egress, Grant, Network, Sessions};
use crate::sandbox::bindings::exports::playbook::plugin::connector as wit;
use crate::sandbox::bindings::playbook::plugin::types;
use crate::sandbox::call::{self, CallContext};
use crate::sandbox::call_state::CallState;
use crate::sandbox::clocks::Clocks;
use crate::sandbox::described::{remarks, words};
use crate::sandbox::event::CallObserver;
use crate::sandbox::finding::Finding;
use crate::sandbox::quota::Quota;
use crate::sandbox::store::{Batch, Change, EventText, Memory, Severity, plugins_key};
use crate::sandbox::wire::Wire;
use crate::secrets::{CallSecrets, Redactor, Vault};
use crate::text::visible::is_plain;
use crate::text::weight;
use std::sync::Arc;

/// The most memory that an event may take which has to be written anew, in bytes.
const HEAVIEST: usize = 32 << 20;

/// What a poll came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PollSummary {
    /// What was read.
    pub message: String,
    /// Parts that failed while the rest went on.
    pub failures: Vec<String>,
}

/// What a call to a connector brings with it.
#[derive(Clone)]
pub(crate) struct ConnectorCall {
    pub(crate) connector: String,
    pub(crate) settings: Settings,
    pub(crate) vault: Vault,
    /// The sessions that the connector's calls share.
    pub(crate) sessions: Sessions,
    pub(crate) grant: Option<Arc<Grant>>,
    pub(crate) cancel: CancellationToken,
    pub(crate) events: CallObserver,
    pub(crate) remembered: Memory,
}

/// What a poll is to do.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) format: String,
    pub(crate) config: Value,
    pub(crate) options: Value,
}

/// Something that the host has to say about a source.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) code: &'static str,
    pub(crate) id: String,
    pub(crate) severity: Severity,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) time: jiff::Timestamp,
}

impl Plugin {
    /// Asks the plugin which connectors it provides.
    pub(crate) async fn describe_connectors(&self) -> Result<Vec<wit::ConnectorType>, PluginError> {
        self.call_connector(self.offline(), async |accessor, connector| {
            connector.call_describe(accessor).await
        })
        .await
    }

    /// Tests a connection.
    pub(crate) async fn check_connection(
        &self,
        network: &Network,
        call: ConnectorCall,
    ) -> Result<Vec<Finding>, PluginError> {
        let deadline = self.limits.deadline;
        let secrets = call.secrets();
        let context = self.context(network, &call, &secrets, deadline, self.limits.cpu)?;
        let (connector, config) = (call.connector, secrets.enter(&call.settings.config).to_string());
        let found = self
            .call_connector(context, async |accessor, guest| {
                guest.call_check(accessor, connector, config).await
            })
            .await?;
        // What is known now counts, tokens included that the server gave during the call.
        let redactor = secrets.redactor();
        let found = found.map_err(|failure| StepFailure::read(failure, &redactor))?;
        Ok(Finding::read(found, &redactor))
    }

    /// Polls a stream once. Batches are put into `batches` as they come, and wait there to be taken.
    pub(crate) async fn poll(
        &self,
        network: &Network,
        call: ConnectorCall,
        stream: &str,
        batches: mpsc::Sender<Taken>,
    ) -> Result<PollSummary, PluginError> {
        let limits = &self.limits;
        let secrets = call.secrets();
        let context = self.context(network, &call, &secrets, limits.poll_deadline, limits.poll_cpu)?;
        let (stream, settings) = (stream.to_owned(), call.settings.enter(&secrets));
        let redactor = secrets.redactor();
        let taking = Taking {
            batches: PollSender::new(batches),
            redactor: redactor.clone(),
            budget: context.budget.clone(),
            limit: limits.batch,
        };
        let ended = self
            .call_connector(context, async move |accessor, guest| {
                let (stream, ending) = guest.call_poll(accessor, call.connector, stream, settings).await?;
                let (told, ended) = oneshot::channel();
                accessor.with(|mut store| {
                    stream.pipe(&mut store, taking)?;
                    ending.pipe(&mut store, Ending(Some(told)))
                })?;
                Ok(ended.await.ok())
            })
            .await?;
        let summary = match ended {
            Some(ended) => ended.map_err(|failure| StepFailure::read(failure, &redactor))?,
            None => {
                return Err(PluginError::InvalidResult {
                    plugin: self.name().to_owned(),
                    reason: "it did not say how the poll ended".into(),
                });
            }
        };
        let failures = remarks(summary.failures).into_iter();
        Ok(PollSummary {
            message: words(&summary.message, &redactor),
            failures: failures.map(|failure| words(&failure, &redactor)).collect(),
        })
    }

    /// Spells a notice as an event.
    pub(crate) async fn format_notice(&self, call: ConnectorCall, notice: Notice) -> Result<EventText, PluginError> {
        // Nothing is sent: handles mean nothing here.
        let secrets = call.vault.call(None);
        let redactor = secrets.redactor();
        let settings = call.settings.enter(&secrets);
        let notice = wit::Notice {
            code: notice.code.to_owned(),
            id: notice.id,
            severity: notice.severity.into(),
            title: notice.title,
            description: notice.description,
            time: u64::try_from(notice.time.as_millisecond()).unwrap_or_default(),
        };
        let event = self
            .call_connector(self.offline(), async move |accessor, guest| {
                guest
                    .call_format_notice(accessor, call.connector, settings, notice)
                    .await
            })
            .await?
            .map_err(|failure| StepFailure::read(failure, &redactor))?;
        event_text(event, &secrets.redactor()).map_err(|reason| PluginError::InvalidResult {
            plugin: self.name().to_owned(),
            reason,
        })
    }

    fn context(
        &self,
        network: &Network,
        call: &ConnectorCall,
        secrets: &CallSecrets,
        deadline: Duration,
        cpu: Duration,
    ) -> Result<CallContext, PluginError> {
        let budget = self.pools.call(&self.limits);
        let wire = match &call.grant {
            Some(grant) => {
                let (secrets, ends) = (secrets.clone(), later(deadline));
                let egress = Egress::new(network, grant, secrets, &call.sessions, &self.limits, &budget, ends);
                Wire::live(egress?)
            }
            None => Wire::silent(),
        };
        Ok(CallContext {
            clocks: Clocks::System,
            tape: None,
            wire,
            cancel: call.cancel.clone(),
            secrets: secrets.clone(),
            sink: call.events.clone(),
            remembered: call.remembered.clone(),
            published: None,
            budget,
            overhead: self.overhead(),
            deadline,
            cpu,
        })
    }

    async fn call_connector<R: Send + 'static>(
        &self,
        context: CallContext,
        body: impl AsyncFnOnce(&Accessor<CallState>, &wit::Guest) -> wasmtime::Result<R> + Send,
    ) -> Result<R, PluginError> {
        let exports = self
            .connector
            .as_ref()
            .expect("only plugins with connectors are asked for one");
        let load = |store: &mut wasmtime::Store<CallState>, instance: &_| exports.load(store, instance);
        call::call(&self.pre, &self.limits, context, load, body)
            .await
            .map(|returned| returned.value)
            .map_err(|source| self.stopped(source))
    }
}

/// Takes batches out of the plugin, no faster than they are taken from the channel.
struct Taking {
    batches: PollSender<Taken>,
    redactor: Redactor,
    budget: CallBudget,
    /// The largest batch, in bytes.
    limit: usize,
}

/// A batch, and the room that it takes until it was delivered.
pub(crate) struct Taken {
    pub(crate) batch: Batch,
    pub(crate) held: Arrived,
}

impl Taking {
    fn take(&self, batch: wit::Batch) -> wasmtime::Result<Taken> {
        let size = size(&batch);
        if size > self.limit {
            return Err(wasmtime::Error::new(Quota {
                what: "a batch of its events and changes",
                many: false,
                limit: self.limit,
            }));
        }
        let held = self.budget.traffic().arrived(size)?;
        let batch = read_batch(batch, &self.redactor).map_err(wasmtime::Error::msg)?;
        Ok(Taken { batch, held })
    }
}

/// How many bytes a batch takes.
fn size(batch: &wit::Batch) -> usize {
    let events = batch
        .events
        .iter()
        .map(|event| size_of::<wit::Event>() + event.json.len());
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let changes = batch
        .changes
        .iter()
        .map(|change| size_of::<wit::Change>() + change.key.len() + text(&change.value));
    events.sum::<usize>() + changes.sum::<usize>()
}

impl<D> StreamConsumer<D> for Taking {
    type Item = wit::Batch;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, D>,
        mut source: Source<'_, wit::Batch>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // Room is made before anything is read: what was read cannot be given back.
        match self.batches.poll_reserve(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => {
                self.batches.abort_send();
                return Poll::Ready(Ok(StreamResult::Cancelled));
            }
            Poll::Pending => return Poll::Pending,
        }
        let mut taken = Vec::with_capacity(1);
        source.read(&mut store, &mut taken)?;
        match taken.pop() {
            Some(batch) => {
                let taken = self.take(batch)?;
                if self.batches.send_item(taken).is_err() {
                    return Poll::Ready(Ok(StreamResult::Dropped));
                }
            }
            None => {
                self.batches.abort_send();
            }
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// Takes the word on how a poll ended.
struct Ending(Option<oneshot::Sender<Result<wit::Summary, types::Failure>>>);

impl<D> FutureConsumer<D> for Ending {
    type Item = Result<wit::Summary, types::Failure>;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'_, D>,
        mut source: Source<'_, Self::Item>,
        _: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut ended = None;
        source.read(&mut store, &mut ended)?;
        if let (Some(ended), Some(told)) = (ended, self.0.take()) {
            // Whoever asked may have gone.
            let _ = told.send(ended);
        }
        Poll::Ready(Ok(()))
    }
}

fn read_batch(batch: wit::Batch, redactor: &Redactor) -> Result<Batch, String> {
    let events = batch.events.into_iter().map(|event| event_text(event, redactor));
    let changes = batch.changes.into_iter().map(|change| Change {
        key: plugins_key(&change.key),
        value: change.value,
    });
    Ok(Batch {
        events: events.collect::<Result<_, _>>()?,
        changes: changes.collect(),
    })
}

/// An event without secrets, on one line.
fn event_text(event: wit::Event, redactor: &Redactor) -> Result<EventText, String> {
    let is_object = event.json.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(&event.json).is_ok();
    if !is_object {
        return Err("an event is not a JSON object".into());
    }
    let redacted = match redactor.redact_json_text(&event.json) {
        Cow::Borrowed(_) => event.json,
        Cow::Owned(redacted) => redacted,
    };
    let on_one_line = is_plain(&redacted) || !redacted.contains(char::is_control);
    let json = if on_one_line {
        redacted
    } else {
        let (value, _) = weight::read(&redacted, HEAVIEST).map_err(|error| error.to_string())?;
        value.to_string()
    };
    Ok(EventText {
        json,
        severity: match event.severity {
            wit::Severity::Info => Severity::Info,
            wit::Severity::Low => Severity::Low,
            wit::Severity::Medium => Severity::Medium,
            wit::Severity::High => Severity::High,
            wit::Severity::Critical => Severity::Critical,
        },
    })
}

impl From<Severity> for wit::Severity {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Low => Self::Low,
            Severity::Medium => Self::Medium,
            Severity::High => Self::High,
            Severity::Critical => Self::Critical,
        }
    }
}

impl ConnectorCall {
    /// The secrets of the call, which only the server that it was granted can be given.
    fn secrets(&self) -> CallSecrets {
        self.vault
            .call(self.grant.as_ref().map(|grant| grant.origin.to_string()))
    }
}

impl Settings {
    /// As the plugin of a call sees them.
    fn enter(self, secrets: &CallSecrets) -> wit::Settings {
        wit::Settings {
            format: self.format,
            config: secrets.enter(&self.config).to_string(),
            options: secrets.enter(&self.options).to_string(),
        }
    }
}
