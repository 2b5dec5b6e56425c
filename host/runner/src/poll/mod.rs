//! Polling: connectors, the events that they deliver to sinks, and the state that is kept between polls.
//!
//! A [`Connector`] is parsed from YAML; a [`Poller`] polls its streams and delivers each event to every [`Sink`] at least
//! once; a [`Store`], such as a [`StateFile`], keeps what must outlive the process.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use playbook_host::poll::{ConnectorInputs, FileSink, Sinks, StateFile};
//! use playbook_host::text::Source;
//! use playbook_host::{CancellationToken, Runner, Secrets};
//!
//! # async fn example(runner: Runner) -> Result<(), Box<dyn std::error::Error>> {
//! let file = Source::read("corp-fleet.yaml".as_ref())?;
//! let connector = runner.read_connector(file)?;
//! let prepared = runner.prepare_connector(&connector, ConnectorInputs::new(Secrets::from_env()))?;
//! let state = StateFile::open("state".as_ref(), prepared.name(), &prepared.subject())?;
//! let sinks: Sinks = vec![Arc::new(FileSink::open("events.jsonl".as_ref())?)];
//! let poller = runner.poller(prepared, Arc::new(state), sinks, Arc::new(|event| println!("{event:?}")));
//! poller.run(CancellationToken::new()).await?;
//! # Ok(())
//! # }
//! ```

pub(crate) mod connector;
pub(crate) mod poller;
pub(crate) mod sink;
pub(crate) mod state_file;

pub use self::connector::{CONNECTOR_SCHEMA, Connector, ConnectorInputs, PreparedConnector};
pub use self::poller::{Cycle, Once, PollError, PollEvent, PollFailure, PollObserver, Poller};
pub use self::sink::{FileSink, Lines, Sink, SinkError, Sinks, Webhook, WebhookError};
pub use self::state_file::StateFile;
pub use crate::sandbox::plugin::polling::PollSummary;
pub use crate::sandbox::store::{Batch, Change, EventText, Severity, Store, StoreError};
