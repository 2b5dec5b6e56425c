//! Runs security playbooks whose steps are WebAssembly plugins.
//!
//! A [`Runner`] holds loaded plugins; a [`Playbook`] is parsed from YAML; [`Runner::prepare`] fills in the templates and
//! validates everything before anything is sent; [`Runner::run`] runs the steps and returns a [`RunReport`].
//!
//! A plugin is a component that imports nothing but the contract in `wit/`: it reaches the one origin its step was granted,
//! sees handles in the place of secrets, and is held to [`Limits`]. The library knows nothing of what plugins do.
//!
//! # Embedding
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use playbook_host::{CancellationToken, Engine, Limits, Playbook, RunInputs, Runner, Secrets};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Once for each process: connections and compiled plugins are shared by all runs.
//! let mut runner = Runner::new(Engine::new(Engine::user_cache_dir().as_deref())?, Limits::default());
//! runner.load("osquery", &std::fs::read("step_osquery.component.wasm")?).await?;
//!
//! // Once for each alert.
//! let playbook = Playbook::parse("triage.yaml", &std::fs::read_to_string("triage.yaml")?)?;
//! let mut inputs = RunInputs::new(Secrets::from_env());
//! inputs.alert = serde_json::json!({"host": "web-01"});
//! let prepared = runner.prepare(playbook, inputs)?;
//! let report = runner.run(prepared, CancellationToken::new(), Arc::new(|event| println!("{event:?}"))).await;
//! println!("{:?}", report.status);
//! # Ok(())
//! # }
//! ```

mod backoff;
mod clock;
mod definition;
mod file_schema;
mod language;
mod limits;
mod net;
mod poll;
mod run;
mod runner;
mod sandbox;
mod secrets;
mod testing;
mod text;
mod views;

pub use definition::Definition;
pub use language::alert::parse_alert;
pub use language::playbook::{Playbook, PlaybookName};
pub use language::render::secret_names;
pub use limits::Limits;
pub use net::egress::{Grant, Network};
pub use net::origin::{Origin, OriginError};
pub use net::policy::{POLICY_SCHEMA, Policy, PolicyError};
pub use net::tls::{Identity, Tls, TlsError, Trust};
pub use poll::connector::{CONNECTOR_SCHEMA, Connector, ConnectorInputs, PreparedConnector};
pub use poll::poller::{Cycle, Once, PollError, PollEvent, PollFailure, PollObserver, Poller};
pub use poll::sink::{FileSink, Lines, Sink, SinkError, Sinks, Webhook, WebhookError};
pub use poll::state_file::StateFile;
pub use run::event::{Observer, RunEvent};
pub use run::plan::{
    Credential, CredentialMode, Moment, OpenParam, Plan, PlannedBranch, PlannedCall, PlannedItems, PlannedServer,
    PlannedStep, PlannedTemplate, Prospect,
};
pub use run::prepare::Prepared;
pub use run::record::{
    Detail, MadeBy, Outcome, RECORD_VERSION, RecordError, RecordFile, RecordedCall, RecordedInputs, RecordedItem,
    RecordedPlaybook, Returned, RunRecord, UsedPlugin,
};
pub use run::replay::{Difference, ReplayedCall, Verdict};
pub use run::report::{Branch, RunReport, RunStatus, SkipReason, StepError, StepReport, StepStatus};
pub use runner::{RunInputs, Runner};
pub use sandbox::call::CallError;
pub use sandbox::connector_type::{ConnectorType, EventFormat, StreamType};
pub use sandbox::engine::{Engine, EngineError, RUNTIME};
pub use sandbox::event::{CallEvent, EventSink, LogLevel, Progress};
pub use sandbox::finding::Finding;
pub use sandbox::inspection::{Inspection, InspectionError, Provided, Statement};
pub use sandbox::plugin::polling::PollSummary;
pub use sandbox::plugin::{CONTRACT, FailureKind, Note, Plugin, PluginError, StepCall, StepFailure, StepOutcome};
pub use sandbox::step_type::{StepType, Template, TemplateParam};
pub use sandbox::store::{Batch, Change, EventText, Severity, Store, StoreError};
pub use sandbox::transcript::Transcript;
pub use secrets::{ENV_PREFIX, LookupError, Redactor, Secrets, SecretsCommand, Vault};
pub use testing::{CaseReport, TEST_SCHEMA, TestFile, TestReport, Unmet};
pub use text::diagnostic::{Code, Diagnostic, Diagnostics, Explanation, Record, Related, Shown};
pub use text::schema::{Role, Schema, SchemaProblem};
pub use text::source::Source;
pub use text::visible::{visible, visible_json};
pub use tokio_util::sync::CancellationToken;
pub use views::html_report::html_report;
pub use views::text_report::text_report;
