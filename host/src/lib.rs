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
//! let prepared = runner.prepare(&playbook, inputs)?;
//! let report = runner.run(prepared, CancellationToken::new(), Arc::new(|event| println!("{event:?}"))).await;
//! println!("{:?}", report.status);
//! # Ok(())
//! # }
//! ```

mod address;
mod alert;
mod backoff;
mod bindings;
mod cache;
mod call;
mod capability;
mod clock;
mod condition;
mod connector;
mod connector_type;
mod described;
mod diagnostic;
mod document;
mod egress;
mod engine;
mod event;
mod file_schema;
mod finding;
mod flow;
mod for_each;
mod html_report;
mod inspection;
mod layout;
mod limits;
mod origin;
mod outline;
mod params;
mod plan;
mod playbook;
mod plugin;
mod policy;
mod poller;
mod prepare;
mod record;
mod references;
mod render;
mod replay;
mod report;
mod resolver;
mod retry;
mod run;
mod runner;
mod schema;
mod secrets;
mod sink;
mod source;
mod state_file;
mod step_type;
mod store;
mod stub;
mod testing;
mod text_report;
mod tls;
pub mod transcript;
mod vars;
mod visible;
mod work;
mod written;
mod yaml_error;

pub use alert::parse_alert;
pub use call::CallError;
pub use connector::{CONNECTOR_SCHEMA, Connector, ConnectorInputs, PreparedConnector};
pub use connector_type::{ConnectorType, EventFormat, PollSummary, StreamType};
pub use diagnostic::{Code, Diagnostic, Diagnostics, Explanation, Record, Related, Shown};
pub use egress::{Grant, Network};
pub use engine::{Engine, EngineError, RUNTIME};
pub use event::{CallEvent, EventSink, LogLevel, Progress};
pub use finding::Finding;
pub use html_report::html_report;
pub use inspection::{Inspection, InspectionError, Provided, Statement};
pub use limits::Limits;
pub use origin::{Origin, OriginError};
pub use plan::{
    Credential, CredentialMode, Moment, OpenParam, Plan, PlannedBranch, PlannedCall, PlannedItems, PlannedServer,
    PlannedStep, PlannedTemplate, Prospect,
};
pub use playbook::Playbook;
pub use plugin::{CONTRACT, FailureKind, Note, Plugin, PluginError, StepCall, StepFailure, StepOutcome};
pub use policy::{POLICY_SCHEMA, Policy, PolicyError};
pub use poller::{Cycle, Once, PollError, PollEvent, PollFailure, PollObserver, Poller};
pub use prepare::Prepared;
pub use record::{
    Detail, MadeBy, Outcome, RECORD_VERSION, RecordError, RecordFile, RecordedCall, RecordedInputs, RecordedItem,
    RecordedPlaybook, Returned, RunRecord, UsedPlugin,
};
pub use render::secret_names;
pub use replay::{Difference, ReplayedCall, Verdict};
pub use report::{Branch, PlaybookName, RunReport, RunStatus, SkipReason, StepError, StepReport, StepStatus};
pub use run::{Observer, RunEvent};
pub use runner::{Definition, RunInputs, Runner};
pub use schema::{Role, Schema, SchemaProblem};
pub use secrets::{ENV_PREFIX, LookupError, Redactor, Secrets, SecretsCommand, Vault};
pub use sink::{FileSink, Lines, Sink, SinkError, Sinks, Webhook, WebhookError};
pub use source::Source;
pub use state_file::StateFile;
pub use step_type::{StepType, Template, TemplateParam};
pub use store::{Batch, Change, EventText, Severity, Store, StoreError};
pub use testing::{CaseReport, TEST_SCHEMA, TestFile, TestReport, Unmet};
pub use text_report::text_report;
pub use tls::{Identity, Tls, TlsError, Trust};
pub use tokio_util::sync::CancellationToken;
pub use transcript::Transcript;
pub use visible::{visible, visible_json};
