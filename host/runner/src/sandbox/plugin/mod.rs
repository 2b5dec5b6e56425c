//! A loaded plugin, and calling it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use wasmtime::component::{Accessor, InstancePre};

use crate::limits::{CallBudget, Limits, Pools, ResultsHeld, later};
use crate::net::egress::{Egress, Grant, GrantRefused, Network, Sessions};
use crate::sandbox::bindings::exports::playbook::plugin::connector::GuestIndices as ConnectorExports;
use crate::sandbox::bindings::exports::playbook::plugin::step::{self as wit, GuestIndices as StepExports};
use crate::sandbox::call;
use crate::sandbox::call::{CallContext, CallError, Returned};
use crate::sandbox::call_state::CallState;
use crate::sandbox::clocks::Clocks;
use crate::sandbox::connector_type::ConnectorType;
use crate::sandbox::event::CallObserver;
use crate::sandbox::finding::Finding;
use crate::sandbox::inspection::Inspection;
use crate::sandbox::step_type::StepType;
use crate::sandbox::store::Memory;
use crate::sandbox::transcript::{Player, Tape};
use crate::sandbox::wire::Wire;
use crate::secrets::{CallSecrets, Redactor, Secrets, Vault};
use std::sync::Arc;

mod contract;
mod description;
mod error;
mod load;
mod outcome;
pub(crate) mod polling;

pub use self::contract::CONTRACT;
use self::description::Types;
pub use self::error::{FailureKind, PluginError, StepFailure};
pub(crate) use self::load::TrustedBy;

/// How long `describe` and `render-template` may take; they make no request.
const DESCRIBING: Duration = Duration::from_secs(5);

/// A loaded plugin.
pub struct Plugin {
    name: String,
    inspection: Inspection,
    pub(crate) pre: InstancePre<CallState>,
    pub(crate) limits: Limits,
    /// What its calls share with those of other plugins.
    pub(crate) pools: Pools,
    step: Option<StepExports>,
    pub(crate) connector: Option<ConnectorExports>,
    types: Types,
}

/// What a step returned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepOutcome {
    /// The result, which the step type's result schema describes.
    pub result: Value,
    /// Whether something that was asked for is missing.
    pub partial: bool,
    /// Remarks for people; they add nothing that the result lacks.
    pub notes: Vec<Note>,
}

/// A call of a step that failed or was stopped, and what it had published by then.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct Unfinished {
    /// Why it failed or was stopped.
    #[source]
    pub error: PluginError,
    /// The account of all targets, if it had published anything.
    pub outcome: Option<StepOutcome>,
}

impl From<PluginError> for Unfinished {
    fn from(error: PluginError) -> Self {
        Self { error, outcome: None }
    }
}

/// Something to tell the reader about one subject of a result.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Note {
    /// What it is about.
    pub subject: String,
    /// What there is to say.
    pub text: String,
}

/// What a step run brings with it.
#[derive(Debug)]
#[non_exhaustive]
pub struct StepCall {
    /// The kind of step.
    pub step_type: String,
    /// The rendered params, with handles where secrets belong.
    pub params: Value,
    /// The secrets behind the handles.
    pub vault: Vault,
    /// The sessions that the call shares with others.
    pub sessions: Sessions,
    /// What the step may reach.
    pub grant: Option<Arc<Grant>>,
    /// The step's own time limit.
    pub timeout: Option<Duration>,
    /// Asks the step to stop early.
    pub cancel: CancellationToken,
    /// Where messages and progress go.
    pub events: CallObserver,
}

impl StepCall {
    /// A call that reaches nothing and has no time limit of its own.
    pub fn new(step_type: impl Into<String>, params: Value) -> Self {
        Self {
            step_type: step_type.into(),
            params,
            vault: Vault::new(Secrets::default()),
            sessions: Sessions::default(),
            grant: None,
            timeout: None,
            cancel: CancellationToken::new(),
            events: CallObserver::ignore(),
        }
    }
}

impl StepCall {
    /// The secrets of the call, which only the server that it was granted can be given.
    fn secrets(&self) -> CallSecrets {
        self.vault
            .call(self.grant.as_ref().map(|grant| grant.origin.to_string()))
    }
}

impl Plugin {
    /// How errors refer to it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the component, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.inspection.sha256
    }

    /// Size of the component, in bytes.
    pub fn size(&self) -> usize {
        self.inspection.size
    }

    /// The interfaces it imports: all that it can do besides computing.
    pub fn imports(&self) -> &[String] {
        &self.inspection.imports
    }

    /// The interfaces it exports.
    pub fn exports(&self) -> &[String] {
        &self.inspection.exports
    }

    /// The kinds of step it provides.
    pub fn step_types(&self) -> &[StepType] {
        &self.types.steps
    }

    /// The connectors it provides.
    pub fn connector_types(&self) -> &[ConnectorType] {
        &self.types.connectors
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
            clocks: moment.map_or(Clocks::System, Clocks::Fixed),
            ..self.offline()
        };
        self.call(context, async |accessor, step| {
            step.call_render_template(accessor, step_type, template, params).await
        })
        .await?
        .map_err(|failure| StepFailure::read(failure, &Redactor::none()).into())
    }

    /// Looks whether a step could run, in an instance of its own: as whom it logs in, whether that suffices, and what becomes
    /// of each target. Changes nothing on the server.
    ///
    /// The params must have passed the step type's schema.
    pub async fn check(&self, network: &Network, call: StepCall) -> Result<Vec<Finding>, PluginError> {
        let secrets = call.secrets();
        let (context, _) = self.step_context(network, &call, &secrets)?;
        let (step_type, params) = (call.step_type, secrets.enter(&call.params).to_string());
        let redactor = secrets.redactor();
        let found = self
            .call(context, async |accessor, step| {
                step.call_check(accessor, step_type, params).await
            })
            .await?
            .map_err(|failure| StepFailure::read(failure, &redactor))?;
        Ok(Finding::read(found, &redactor))
    }

    /// Runs a step in an instance of its own.
    ///
    /// The params must have passed the step type's schema. The call ends at the latest a grace period after its
    /// timeout, and dropping the future drops the instance with all its connections.
    pub async fn run(&self, network: &Network, call: StepCall) -> Result<StepOutcome, Unfinished> {
        self.run_taped(network, call, None, &self.pools.results()).await
    }

    /// The same; what is said and heard is written down, and the result counts among `results`.
    pub(crate) async fn run_taped(
        &self,
        network: &Network,
        call: StepCall,
        tape: Option<Tape>,
        results: &ResultsHeld,
    ) -> Result<StepOutcome, Unfinished> {
        let secrets = call.secrets();
        if let Some(tape) = &tape {
            tape.begin(secrets.clone());
        }
        let (mut context, wire) = self.step_context(network, &call, &secrets).map_err(PluginError::from)?;
        context.wire = context.wire.taped(tape.clone());
        context.tape = tape;
        self.outcome(context, wire, call, results).await
    }

    /// Runs a step whose server and clock are those of an earlier call.
    pub(crate) async fn run_played(&self, player: Player, call: StepCall) -> Result<StepOutcome, Unfinished> {
        let wire = Wire::played(player.clone());
        let secrets = player.secrets().clone();
        let budget = self.pools.call(&self.limits);
        let context = self.context_on(wire.clone(), Clocks::Played(player), &call, secrets, budget);
        self.outcome(context, wire, call, &self.pools.results()).await
    }

    /// What a step's call may use, and its wire apart.
    fn step_context(
        &self,
        network: &Network,
        call: &StepCall,
        secrets: &CallSecrets,
    ) -> Result<(CallContext, Wire), GrantRefused> {
        let budget = self.pools.call(&self.limits);
        let wire = match &call.grant {
            Some(grant) => Wire::live(Egress::new(
                network,
                grant,
                secrets.clone(),
                &call.sessions,
                &self.limits,
                &budget,
                later(self.deadline(call)),
            )?),
            None => Wire::silent(),
        };
        let context = self.context_on(wire.clone(), Clocks::System, call, secrets.clone(), budget);
        Ok((context, wire))
    }

    fn context_on(
        &self,
        wire: Wire,
        clocks: Clocks,
        call: &StepCall,
        secrets: CallSecrets,
        budget: CallBudget,
    ) -> CallContext {
        CallContext {
            wire,
            cancel: call.cancel.clone(),
            secrets,
            sink: call.events.clone(),
            remembered: Memory::none(),
            published: None,
            clocks,
            tape: None,
            budget,
            overhead: self.overhead(),
            deadline: self.deadline(call),
            cpu: self.limits.cpu,
        }
    }

    /// What an instance takes besides its memories and tables, in bytes.
    pub(crate) fn overhead(&self) -> usize {
        self.inspection.overhead
    }

    /// How long a call may take, grace included.
    fn deadline(&self, call: &StepCall) -> Duration {
        call.timeout
            .unwrap_or(self.limits.deadline)
            .saturating_add(self.limits.grace)
    }

    /// For calls that make no request.
    pub(crate) fn offline(&self) -> CallContext {
        CallContext {
            wire: Wire::silent(),
            cancel: CancellationToken::new(),
            secrets: Vault::new(Secrets::default()).call(None),
            sink: CallObserver::ignore(),
            remembered: Memory::none(),
            published: None,
            clocks: Clocks::System,
            tape: None,
            budget: self.pools.call(&self.limits),
            overhead: self.overhead(),
            deadline: DESCRIBING,
            cpu: self.limits.cpu,
        }
    }

    async fn call<R: Send + 'static>(
        &self,
        context: CallContext,
        body: impl AsyncFnOnce(&Accessor<CallState>, &wit::Guest) -> wasmtime::Result<R> + Send,
    ) -> Result<R, PluginError> {
        Ok(self.call_and_hold(context, body).await?.value)
    }

    /// The same; what the call took of the process is held until what it returned was read.
    async fn call_and_hold<R: Send + 'static>(
        &self,
        context: CallContext,
        body: impl AsyncFnOnce(&Accessor<CallState>, &wit::Guest) -> wasmtime::Result<R> + Send,
    ) -> Result<Returned<R>, PluginError> {
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
