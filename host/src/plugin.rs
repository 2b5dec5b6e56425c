//! Loading a plugin and calling it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::component::InstancePre;

use crate::bindings::exports::playbook::plugin::connector::GuestIndices as ConnectorExports;
use crate::bindings::exports::playbook::plugin::step::{self as wit, GuestIndices as StepExports};
use crate::bindings::playbook::plugin::types;
use crate::call::{self, CallContext, CallError, CallState};
use crate::capability::clock::Clock;
use crate::connector_type::ConnectorType;
use crate::described::{remarks, words};
use crate::diagnostic::cut;
use crate::egress::{Clients, Egress, Grant, GrantRefused};
use crate::engine::{Engine, EngineError};
use crate::event::EventSink;
use crate::finding::Finding;
use crate::inspection::{Inspection, InspectionError};
use crate::limits::Limits;
use crate::policy::{Policy, PolicyError};
use crate::secrets::{Redactor, Vault};
use crate::step_type::StepType;
use crate::store::Memory;
use crate::tls::TlsError;
use crate::transcript::{Player, Tape};

/// The contract that this host speaks.
pub const CONTRACT: &str = "playbook:plugin@0.1.0";

/// How long `describe` and `render-template` may take; they make no request.
const DESCRIBING: Duration = Duration::from_secs(5);

/// The largest component, in bytes: compiling one has no limit of its own.
const LARGEST: usize = 32 << 20;

/// A loaded plugin.
pub struct Plugin {
    name: String,
    sha256: String,
    size: usize,
    imports: Vec<String>,
    exports: Vec<String>,
    pub(crate) pre: InstancePre<CallState>,
    pub(crate) limits: Limits,
    step: Option<StepExports>,
    pub(crate) connector: Option<ConnectorExports>,
    step_types: Vec<StepType>,
    connector_types: Vec<ConnectorType>,
}

/// What a step returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOutcome {
    /// The result, which the step type's result schema describes.
    pub result: Value,
    /// Whether something that was asked for is missing.
    pub partial: bool,
    /// Remarks for people; they add nothing that the result lacks.
    pub notes: Vec<Note>,
}

/// Something to tell the reader about one subject of a result.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Note {
    /// What it is about.
    pub subject: String,
    /// What there is to say.
    pub text: String,
}

/// What a user must treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[allow(missing_docs, reason = "documented, one by one, in the contract")]
pub enum FailureKind {
    InvalidParams,
    NotAllowed,
    Auth,
    Permission,
    NotFound,
    RateLimited,
    Unavailable,
    Protocol,
    Timeout,
    Cancelled,
    Internal,
}

impl FailureKind {
    /// The word of the contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::InvalidParams => "invalid-params",
            Self::NotAllowed => "not-allowed",
            Self::Auth => "auth",
            Self::Permission => "permission",
            Self::NotFound => "not-found",
            Self::RateLimited => "rate-limited",
            Self::Unavailable => "unavailable",
            Self::Protocol => "protocol",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

/// Why a step failed, in the plugin's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StepFailure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Whether the server may have acted on a request of this call that must not be made twice.
    pub acted: bool,
}

/// Why a plugin could not be loaded or did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The runtime does not take it.
    #[error("plugin `{plugin}` cannot be loaded: {source}")]
    Load {
        /// The plugin.
        plugin: String,
        /// What is wrong with it.
        source: EngineError,
    },
    /// The bytes are no component.
    #[error("plugin `{plugin}` cannot be loaded: {source}")]
    File {
        /// The plugin.
        plugin: String,
        /// What is wrong with them.
        source: InspectionError,
    },
    /// It was made for something else than this host's contract.
    #[error("plugin `{plugin}` does not fit: {reason}")]
    Contract {
        /// The plugin.
        plugin: String,
        /// Which import or export does not fit.
        reason: String,
    },
    /// It described itself wrongly.
    #[error("plugin `{plugin}` describes itself wrongly: {reason}")]
    Description {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        reason: String,
    },
    /// A call did not return.
    #[error("plugin `{plugin}` was stopped: {source}")]
    Call {
        /// The plugin.
        plugin: String,
        /// How the call ended.
        source: CallError,
    },
    /// It returned what its own schema refuses, or no JSON at all.
    #[error("plugin `{plugin}` returned an invalid result: {reason}")]
    InvalidResult {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        reason: String,
    },
    /// No loaded plugin provides this step type.
    #[error("no loaded plugin provides the step type `{step_type}`")]
    UnknownStepType {
        /// The step type.
        step_type: String,
    },
    /// The operator's policy refuses the server.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Certificates could not be set up for the call.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The step failed.
    #[error(transparent)]
    Failed(#[from] StepFailure),
}

/// What a step run brings with it.
#[derive(Debug)]
pub struct StepCall {
    /// The kind of step.
    pub step_type: String,
    /// The rendered params, with handles where secrets belong.
    pub params: Value,
    /// The secrets behind the handles.
    pub vault: Vault,
    /// What the step may reach.
    pub grant: Option<Grant>,
    /// The step's own time limit.
    pub timeout: Option<Duration>,
    /// Asks the step to stop early.
    pub cancel: CancellationToken,
    /// Where messages and progress go.
    pub events: EventSink,
}

impl Plugin {
    /// Compiles a component and asks it what it provides. `name` is how errors refer to it.
    pub async fn load(engine: &Engine, name: &str, bytes: &[u8], limits: &Limits) -> Result<Self, PluginError> {
        let plugin = || name.to_owned();
        let contract = |reason: String| PluginError::Contract {
            plugin: plugin(),
            reason,
        };
        if bytes.len() > LARGEST {
            return Err(contract(format!("it is larger than {} MiB", LARGEST >> 20)));
        }
        // What can be refused is refused before it is compiled.
        let Inspection {
            sha256,
            imports,
            exports,
            statement,
            ..
        } = Inspection::read(bytes).map_err(|source| PluginError::File {
            plugin: plugin(),
            source,
        })?;
        check_contract(&imports, &exports).map_err(contract)?;
        if let Some(stated) = statement.as_ref().map(|statement| &statement.contract)
            && stated != CONTRACT
        {
            return Err(contract(format!("it says that it was made for `{}`", cut(stated))));
        }
        let component = engine.compile(bytes).map_err(|source| PluginError::Load {
            plugin: plugin(),
            source,
        })?;
        let linker = call::linker(engine).map_err(|e| contract(e.to_string()))?;
        let pre = linker
            .instantiate_pre(&component)
            .map_err(|e| contract(e.root_cause().to_string()))?;
        let provides = |interface: &str| exports.iter().any(|name| is_export(name, interface));
        let step = provides("step").then(|| StepExports::new(&pre)).transpose();
        let connector = provides("connector").then(|| ConnectorExports::new(&pre)).transpose();
        let mut loaded = Self {
            name: plugin(),
            sha256,
            size: bytes.len(),
            step: step.map_err(|e| contract(e.root_cause().to_string()))?,
            connector: connector.map_err(|e| contract(e.root_cause().to_string()))?,
            imports,
            exports,
            pre,
            limits: limits.clone(),
            step_types: Vec::new(),
            connector_types: Vec::new(),
        };
        let misdescribed = |reason| PluginError::Description {
            plugin: plugin(),
            reason,
        };
        if loaded.step.is_some() {
            let described = loaded
                .call(loaded.offline(), async |accessor, step| {
                    step.call_describe(accessor).await
                })
                .await?;
            loaded.step_types = StepType::parse_all(described).map_err(misdescribed)?;
        }
        if loaded.connector.is_some() {
            loaded.connector_types = loaded.describe_connectors().await?.map_err(misdescribed)?;
        }
        if let Some(statement) = statement {
            let step_types = loaded.step_types.iter().map(|step| step.name.as_str());
            let connectors = loaded.connector_types.iter().map(|connector| connector.name.as_str());
            statement.check(step_types, connectors).map_err(misdescribed)?;
        }
        Ok(loaded)
    }

    /// How errors refer to it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the component, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Size of the component, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The interfaces it imports: all that it can do besides computing.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The interfaces it exports.
    pub fn exports(&self) -> &[String] {
        &self.exports
    }

    /// The kinds of step it provides.
    pub fn step_types(&self) -> &[StepType] {
        &self.step_types
    }

    /// The connectors it provides.
    pub fn connector_types(&self) -> &[ConnectorType] {
        &self.connector_types
    }

    /// The text that a template gives with these params.
    pub async fn render_template(
        &self,
        step_type: &str,
        template: &str,
        params: &Value,
    ) -> Result<String, PluginError> {
        self.render_template_at(None, step_type, template, params).await
    }

    /// The same, at a moment: a template can be about the time before it is sent.
    pub(crate) async fn render_template_at(
        &self,
        moment: Option<Timestamp>,
        step_type: &str,
        template: &str,
        params: &Value,
    ) -> Result<String, PluginError> {
        let (step_type, template, params) = (step_type.to_owned(), template.to_owned(), params.to_string());
        let context = CallContext {
            clock: moment.map_or(Clock::System, Clock::Fixed),
            ..self.offline()
        };
        self.call(context, async |accessor, step| {
            step.call_render_template(accessor, step_type, template, params).await
        })
        .await?
        .map_err(|failure| StepFailure::from(failure).into())
    }

    /// Looks whether a step could run, in an instance of its own: as whom it logs in, whether that suffices, and what becomes
    /// of each target. Changes nothing on the server.
    ///
    /// The params must have passed the step type's schema.
    pub async fn check(&self, clients: &Network, call: StepCall) -> Result<Vec<Finding>, PluginError> {
        let (context, _) = self.step_context(clients, &call)?;
        let (step_type, params) = (call.step_type, call.params.to_string());
        let found = self
            .call(context, async |accessor, step| {
                step.call_check(accessor, step_type, params).await
            })
            .await?
            .map_err(StepFailure::from)?;
        Ok(Finding::read(found, &call.vault.redactor()))
    }

    /// Runs a step in an instance of its own.
    ///
    /// The params must have passed the step type's schema. The call ends at the latest a grace period after its
    /// timeout, and dropping the future drops the instance with all its connections.
    pub async fn run(&self, clients: &Network, call: StepCall) -> Result<StepOutcome, PluginError> {
        self.run_taped(clients, call, None).await
    }

    /// The same; what is said and heard is written down.
    pub(crate) async fn run_taped(
        &self,
        clients: &Network,
        call: StepCall,
        tape: Option<Tape>,
    ) -> Result<StepOutcome, PluginError> {
        let (mut context, network) = self.step_context(clients, &call)?;
        context.egress = context.egress.taped(tape.clone());
        context.tape = tape;
        self.run_in(context, network, call).await
    }

    /// Runs a step whose server and clock are those of an earlier call.
    pub(crate) async fn run_played(&self, player: Player, call: StepCall) -> Result<StepOutcome, PluginError> {
        let network = Egress::played(player.clone());
        let context = self.context_on(network.clone(), Clock::Played(player), &call);
        self.run_in(context, network, call).await
    }

    async fn run_in(&self, context: CallContext, network: Egress, call: StepCall) -> Result<StepOutcome, PluginError> {
        let (step_type, params) = (call.step_type.clone(), call.params.to_string());
        let outcome = self
            .call(context, async |accessor, step| {
                step.call_run(accessor, step_type, params).await
            })
            .await?
            .map_err(|failure| StepFailure {
                acted: network.acted(),
                ..StepFailure::from(failure)
            })?;
        let invalid = |reason: String| PluginError::InvalidResult {
            plugin: self.name.clone(),
            reason,
        };
        let limit = self.limits.result;
        if outcome.result.len() > limit {
            return Err(invalid(format!("it is larger than the {limit} bytes allowed")));
        }
        let result: Value = serde_json::from_str(&outcome.result).map_err(|e| invalid(format!("not JSON: {e}")))?;
        if let Some(step_type) = self.step_types.iter().find(|known| known.name == call.step_type)
            && let Some(problem) = step_type.result.validate(&result).first()
        {
            return Err(invalid(format!("{} at `{}`", problem.message, problem.pointer)));
        }
        let notes = remarks(outcome.notes).into_iter().map(|note| Note {
            subject: words(note.subject),
            text: words(note.text),
        });
        Ok(StepOutcome {
            result,
            partial: outcome.partial,
            notes: notes.collect(),
        })
    }

    /// What a step's call may use, and its network apart.
    fn step_context(&self, clients: &Network, call: &StepCall) -> Result<(CallContext, Egress), GrantRefused> {
        let egress = match &call.grant {
            Some(grant) => Egress::new(
                &clients.0,
                grant,
                call.vault.clone(),
                &self.limits,
                Instant::now() + self.deadline(call),
            )?,
            None => Egress::none(),
        };
        Ok((self.context_on(egress.clone(), Clock::System, call), egress))
    }

    fn context_on(&self, egress: Egress, clock: Clock, call: &StepCall) -> CallContext {
        CallContext {
            egress,
            cancel: call.cancel.clone(),
            redactor: call.vault.redactor(),
            sink: call.events.clone(),
            remembered: Memory::none(),
            clock,
            tape: None,
            deadline: self.deadline(call),
            cpu: self.limits.cpu,
        }
    }

    /// How long a call may take, grace included.
    fn deadline(&self, call: &StepCall) -> Duration {
        call.timeout.unwrap_or(self.limits.deadline) + self.limits.grace
    }

    /// For calls that make no request.
    pub(crate) fn offline(&self) -> CallContext {
        CallContext {
            egress: Egress::none(),
            cancel: CancellationToken::new(),
            redactor: Redactor::none(),
            sink: EventSink::ignore(),
            remembered: Memory::none(),
            clock: Clock::System,
            tape: None,
            deadline: DESCRIBING,
            cpu: self.limits.cpu,
        }
    }

    async fn call<R: Send + 'static>(
        &self,
        context: CallContext,
        body: impl AsyncFnOnce(&wasmtime::component::Accessor<CallState>, &wit::Guest) -> wasmtime::Result<R> + Send,
    ) -> Result<R, PluginError> {
        let exports = self.step.as_ref().expect("only plugins with steps are asked for one");
        let load = |store: &mut wasmtime::Store<CallState>, instance: &_| exports.load(store, instance);
        call::call(&self.pre, &self.limits, context, load, body)
            .await
            .map_err(|source| self.stopped(source))
    }

    /// A call that did not return.
    pub(crate) fn stopped(&self, source: CallError) -> PluginError {
        PluginError::Call {
            plugin: self.name.clone(),
            source,
        }
    }
}

/// The connections that calls share.
#[derive(Debug, Default, Clone)]
pub struct Network(pub(crate) Clients);

impl Network {
    /// Connections to what a policy allows.
    pub fn new(policy: Policy) -> Self {
        Self(Clients::new(policy))
    }

    /// What may be reached.
    pub fn policy(&self) -> &Policy {
        self.0.policy()
    }
}

impl From<GrantRefused> for PluginError {
    fn from(refused: GrantRefused) -> Self {
        match refused {
            GrantRefused::Policy(error) => error.into(),
            GrantRefused::Tls(error) => error.into(),
        }
    }
}

impl From<types::Failure> for StepFailure {
    fn from(failure: types::Failure) -> Self {
        let kind = match failure.kind {
            types::FailureKind::InvalidParams => FailureKind::InvalidParams,
            types::FailureKind::NotAllowed => FailureKind::NotAllowed,
            types::FailureKind::Auth => FailureKind::Auth,
            types::FailureKind::Permission => FailureKind::Permission,
            types::FailureKind::NotFound => FailureKind::NotFound,
            types::FailureKind::RateLimited => FailureKind::RateLimited,
            types::FailureKind::Unavailable => FailureKind::Unavailable,
            types::FailureKind::Protocol => FailureKind::Protocol,
            types::FailureKind::Timeout => FailureKind::Timeout,
            types::FailureKind::Cancelled => FailureKind::Cancelled,
            types::FailureKind::Internal => FailureKind::Internal,
        };
        Self {
            kind,
            message: words(failure.message),
            hint: failure.hint.map(words),
            acted: false,
        }
    }
}

/// Whether this is the name of an interface of the contract.
fn is_export(name: &str, interface: &str) -> bool {
    let (package, version) = CONTRACT.split_once('@').expect("the contract has a version");
    name == format!("{package}/{interface}@{version}")
}

/// Says in one sentence why a component cannot be linked, where the linker would name a type mismatch.
fn check_contract(imports: &[String], exports: &[String]) -> Result<(), String> {
    let (package, version) = CONTRACT.split_once('@').expect("the contract has a version");
    let ours = |name: &str| name.split_once('/').is_some_and(|(of, _)| of == package);
    if let Some(foreign) = imports.iter().find(|name| !ours(name)) {
        return Err(format!(
            "it imports `{foreign}`, and this host offers nothing but {CONTRACT}"
        ));
    }
    let versions = imports.iter().chain(exports).filter(|name| ours(name));
    for name in versions {
        let spoken = name.rsplit_once('@').map_or("none", |(_, version)| version);
        if spoken != version {
            return Err(format!(
                "it was made for {package}@{spoken}, and this host speaks {CONTRACT}"
            ));
        }
    }
    if !exports
        .iter()
        .any(|name| is_export(name, "step") || is_export(name, "connector"))
    {
        return Err(format!(
            "it provides nothing: neither `{package}/step@{version}` nor `{package}/connector@{version}` is among its exports"
        ));
    }
    Ok(())
}
