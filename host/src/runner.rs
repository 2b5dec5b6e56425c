//! Runs playbooks with loaded plugins.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::connector::{Connector, ConnectorInputs, PreparedConnector};
use crate::connector_type::{ConnectorType, Finding};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, suggestion};
use crate::engine::Engine;
use crate::event::{CallEvent, EventSink};
use crate::limits::Limits;
use crate::params::{self, Rendered, Written};
use crate::playbook::{OnFailure, Playbook, Step};
use crate::plugin::{FailureKind, Network, Note, Plugin, PluginError, StepCall, StepOutcome, StepType};
use crate::poller::{PollObserver, Poller};
use crate::report::{PlaybookName, RunReport, RunStatus, StepError, StepReport, StepStatus};
use crate::secrets::{Redactor, Secrets, Vault};
use crate::sink::Sinks;
use crate::store::Store;

/// Loaded plugins, ready to run playbooks.
///
/// Make one and keep it: connections and compiled plugins are shared by all runs, and runs may overlap.
pub struct Runner {
    engine: Engine,
    limits: Limits,
    network: Network,
    plugins: Vec<Arc<Plugin>>,
}

/// What a run is given besides the playbook.
#[derive(Debug, Clone)]
pub struct RunInputs {
    /// Names the run. An engine supplies its own; [`RunInputs::new`] makes a `UUIDv7`.
    pub run_id: String,
    /// What `{{ alert.… }}` sees.
    pub alert: Value,
    /// What `{{ vars.… }}` sees.
    pub vars: Map<String, Value>,
    /// What `{{ secrets.… }}` stands for.
    pub secrets: Secrets,
    /// The directory that file names among the params start from.
    pub directory: PathBuf,
    /// Runs only the step with this id.
    pub only: Option<String>,
}

impl RunInputs {
    /// Inputs for a new run with these secrets, an empty alert and no vars.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            run_id: uuid::Uuid::now_v7().to_string(),
            alert: Value::Object(Map::new()),
            vars: Map::new(),
            secrets,
            directory: PathBuf::from("."),
            only: None,
        }
    }
}

/// Something that happened during a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RunEvent {
    /// A step begins.
    StepStarted {
        /// The step's id.
        id: String,
    },
    /// A step's params are made, and its plugin is called. A step can be called more than once.
    StepCalled {
        /// The step's id.
        id: String,
        /// How long the call may take.
        time_limit: Duration,
    },
    /// A step's plugin said something.
    Step {
        /// The step's id.
        id: String,
        /// What it said.
        event: CallEvent,
    },
    /// A step ended.
    StepFinished {
        /// The step's id.
        id: String,
        /// How.
        status: StepStatus,
    },
}

/// Receives the events of a run as they happen; it should return at once.
pub type Observer = Arc<dyn Fn(RunEvent) + Send + Sync>;

/// A playbook with everything that could be checked before the first step checked.
pub struct Prepared<'p> {
    playbook: &'p Playbook,
    inputs: RunInputs,
    vault: Vault,
    /// For each step, its params; none when they need the results of earlier steps.
    params: Vec<Option<Rendered>>,
}

impl Runner {
    /// A runner without plugins.
    pub fn new(engine: Engine, limits: Limits) -> Self {
        Self {
            engine,
            limits,
            network: Network::default(),
            plugins: Vec::new(),
        }
    }

    /// Loads a plugin. `name` is how errors refer to it. A step type or connector that another plugin provides is an error.
    pub async fn load(&mut self, name: &str, component: &[u8]) -> Result<(), PluginError> {
        let plugin = Plugin::load(&self.engine, name, component, &self.limits).await?;
        if let Some(taken) = self.taken(&plugin) {
            let reason = format!("it provides {taken}, which another plugin provides already");
            return Err(PluginError::Description {
                plugin: name.to_owned(),
                reason,
            });
        }
        self.plugins.push(Arc::new(plugin));
        Ok(())
    }

    /// Loads a plugin, unless the ones before it provide one of its step types or connectors.
    pub async fn load_unless_provided(&mut self, name: &str, component: &[u8]) -> Result<(), PluginError> {
        let plugin = Plugin::load(&self.engine, name, component, &self.limits).await?;
        if self.taken(&plugin).is_none() {
            self.plugins.push(Arc::new(plugin));
        }
        Ok(())
    }

    /// What a plugin provides that another provides already.
    fn taken(&self, plugin: &Plugin) -> Option<String> {
        let mut steps = plugin.step_types().iter().map(|step| &step.name);
        let mut connectors = plugin.connector_types().iter().map(|connector| &connector.name);
        let step = steps.find(|name| self.provider(name).is_some());
        let connector = connectors.find(|name| self.watched(name).is_some());
        step.map(|name| format!("the step type `{name}`"))
            .or_else(|| connector.map(|name| format!("the connector `{name}`")))
    }

    /// The step types that playbooks can use.
    pub fn step_types(&self) -> impl Iterator<Item = &StepType> + Clone {
        self.plugins.iter().flat_map(|plugin| plugin.step_types())
    }

    /// The text that a template of a step type gives with these params.
    pub async fn render_template(
        &self,
        step_type: &str,
        template: &str,
        params: &Value,
    ) -> Result<String, PluginError> {
        match self.provider(step_type) {
            Some((plugin, _)) => plugin.render_template(step_type, template, params).await,
            None => Err(PluginError::UnknownStepType {
                step_type: step_type.to_owned(),
            }),
        }
    }

    /// Everything that is wrong with a playbook and can be told without alert or secrets.
    pub fn check(&self, playbook: &Playbook) -> Diagnostics {
        let mut problems = Diagnostics::default();
        for step in &playbook.steps {
            match self.step_type(playbook, step) {
                Ok(step_type) => problems.extend(Written::of_step(&playbook.document, step, step_type).check()),
                Err(problem) => problems.push(problem),
            }
        }
        problems
    }

    /// Renders and validates all that does not depend on earlier results. Nothing is sent before this has succeeded.
    pub fn prepare<'p>(&self, playbook: &'p Playbook, inputs: RunInputs) -> Result<Prepared<'p>, Diagnostics> {
        let vault = Vault::new(inputs.secrets.clone());
        let mut problems = self.check(playbook);
        if let Some(only) = &inputs.only
            && !playbook.step_ids().any(|id| id == only)
        {
            let unknown = Diagnostic::error("unknown-step", format!("there is no step `{only}`"));
            problems.push(unknown.maybe_hint(suggestion(only, playbook.step_ids())));
        }
        problems = problems.or(Diagnostics::default())?;
        let renderer = params::renderer(&vault, &inputs, &Map::new());
        let mut params = Vec::new();
        for step in &playbook.steps {
            let wanted = step.enabled && inputs.only.as_ref().is_none_or(|only| *only == step.id);
            if !wanted || params::needs_results(step) {
                params.push(None);
                continue;
            }
            let step_type = self.step_type(playbook, step).expect("checked just now");
            match Written::of_step(&playbook.document, step, step_type).render(&renderer) {
                Ok(rendered) => params.push(Some(rendered)),
                Err(found) => {
                    problems.extend(found);
                    params.push(None);
                }
            }
        }
        problems.or(())?;
        Ok(Prepared {
            playbook,
            inputs,
            vault,
            params,
        })
    }

    /// The connectors that can be polled.
    pub fn connector_types(&self) -> impl Iterator<Item = &ConnectorType> + Clone {
        self.plugins.iter().flat_map(|plugin| plugin.connector_types())
    }

    /// Everything that is wrong with a connector file and can be told without secrets.
    pub fn check_connector(&self, connector: &Connector) -> Diagnostics {
        match self.watcher(connector) {
            Ok((_, kind)) => connector.check(kind).into(),
            Err(problem) => vec![problem].into(),
        }
    }

    /// Renders and validates a connector file. Nothing is sent before this has succeeded.
    pub fn prepare_connector(
        &self,
        connector: &Connector,
        inputs: ConnectorInputs,
    ) -> Result<PreparedConnector, Diagnostics> {
        let (_, kind) = self.watcher(connector).map_err(|problem| vec![problem])?;
        connector.prepare(kind, inputs)
    }

    /// Tests a connector's connection.
    pub async fn test_connection(&self, connector: &PreparedConnector) -> Result<Vec<Finding>, PluginError> {
        let (plugin, _) = self.watched(&connector.kind).expect("it was prepared with this plugin");
        plugin.check_connection(&self.network, connector.call()).await
    }

    /// A poller of a connector.
    pub fn poller(
        &self,
        connector: PreparedConnector,
        store: Arc<dyn Store>,
        sinks: Sinks,
        observer: PollObserver,
    ) -> Poller {
        let (plugin, _) = self.watched(&connector.kind).expect("it was prepared with this plugin");
        Poller::new(plugin.clone(), self.network.clone(), connector, store, sinks, observer)
    }

    /// The connections that all calls share.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Runs the steps in order. Cancelling ends the step under way and skips the rest.
    ///
    /// Dropping the future closes every connection of the step under way, too.
    pub async fn run(&self, prepared: Prepared<'_>, cancel: CancellationToken, observer: Observer) -> RunReport {
        let started_at = Timestamp::now();
        let began = Instant::now();
        let mut results = Map::new();
        let mut steps = Vec::new();
        let mut aborted = !prepared.playbook.enabled;
        for (step, params) in prepared.playbook.steps.iter().zip(&prepared.params) {
            let wanted = step.enabled && prepared.inputs.only.as_ref().is_none_or(|only| *only == step.id);
            if !wanted || aborted || cancel.is_cancelled() {
                steps.push(step_report(step, StepStatus::Skipped));
                continue;
            }
            observer(RunEvent::StepStarted { id: step.id.clone() });
            let step_began = Instant::now();
            let mut report = step_report(step, StepStatus::Failed);
            report.attempts = 1;
            let outcome = self
                .run_step(&prepared, step, params.as_ref(), &results, &cancel, &observer)
                .await;
            report.duration_ms = millis(step_began.elapsed());
            let redactor = prepared.vault.redactor();
            match outcome {
                Ok(outcome) => {
                    report.status = if outcome.partial {
                        StepStatus::Partial
                    } else {
                        StepStatus::Success
                    };
                    let result = redactor.redact_json(outcome.result);
                    results.insert(step.id.clone(), json!({"result": result.clone()}));
                    report.result = Some(result);
                    report.notes = outcome.notes.iter().map(|note| redact_note(&redactor, note)).collect();
                }
                Err(error) => {
                    report.error = Some(StepError {
                        kind: error.kind,
                        message: redactor.redact(&error.message).into_owned(),
                        hint: error.hint.map(|hint| redactor.redact(&hint).into_owned()),
                    });
                    aborted = step.on_failure == OnFailure::Abort;
                }
            }
            observer(RunEvent::StepFinished {
                id: step.id.clone(),
                status: report.status,
            });
            steps.push(report);
        }
        let status = if cancel.is_cancelled() {
            RunStatus::Cancelled
        } else if steps.iter().any(|step| step.status == StepStatus::Failed) {
            RunStatus::Failed
        } else if steps.iter().any(|step| step.status == StepStatus::Partial) {
            RunStatus::Partial
        } else {
            RunStatus::Success
        };
        RunReport {
            run_id: prepared.inputs.run_id,
            playbook: PlaybookName {
                id: prepared.playbook.id.clone(),
                name: prepared.playbook.name.clone(),
            },
            status,
            started_at,
            finished_at: Timestamp::now(),
            duration_ms: millis(began.elapsed()),
            steps,
        }
    }

    async fn run_step(
        &self,
        prepared: &Prepared<'_>,
        step: &Step,
        params: Option<&Rendered>,
        results: &Map<String, Value>,
        cancel: &CancellationToken,
        observer: &Observer,
    ) -> Result<StepOutcome, StepError> {
        let (plugin, step_type) = self.provider(&step.kind).expect("`prepare` found it");
        let late;
        let rendered = if let Some(rendered) = params {
            rendered
        } else {
            let renderer = params::renderer(&prepared.vault, &prepared.inputs, results);
            late = Written::of_step(&prepared.playbook.document, step, step_type)
                .render(&renderer)
                .map_err(|problems| invalid_input(Diagnostics::from(problems).to_string()))?;
            &late
        };
        let grant =
            params::grant(rendered, &prepared.inputs.directory).map_err(|error| invalid_input(error.to_string()))?;
        observer(RunEvent::StepCalled {
            id: step.id.clone(),
            time_limit: rendered.timeout.unwrap_or(self.limits.deadline),
        });
        let (id, observer) = (step.id.clone(), observer.clone());
        let call = StepCall {
            step_type: step.kind.clone(),
            params: rendered.value.clone(),
            vault: prepared.vault.clone(),
            grant,
            timeout: rendered.timeout,
            cancel: cancel.clone(),
            events: EventSink::new(move |event| observer(RunEvent::Step { id: id.clone(), event })),
        };
        plugin.run(&self.network, call).await.map_err(StepError::from)
    }

    fn provider(&self, step_type: &str) -> Option<(&Plugin, &StepType)> {
        self.plugins
            .iter()
            .map(AsRef::as_ref)
            .flat_map(|plugin| plugin.step_types().iter().map(move |provided| (plugin, provided)))
            .find(|(_, provided)| provided.name == step_type)
    }

    fn watched(&self, kind: &str) -> Option<(&Arc<Plugin>, &ConnectorType)> {
        self.plugins
            .iter()
            .flat_map(|plugin| plugin.connector_types().iter().map(move |provided| (plugin, provided)))
            .find(|(_, provided)| provided.name == kind)
    }

    fn watcher(&self, connector: &Connector) -> Result<(&Arc<Plugin>, &ConnectorType), Diagnostic> {
        self.watched(&connector.kind).ok_or_else(|| {
            let document = &connector.document;
            let message = format!("no loaded plugin provides the connector `{}`", connector.kind);
            Diagnostic::error("unknown-connector", message)
                .at(Place::bytes(document.source().clone(), document.span("/connector")))
                .maybe_hint(suggestion(
                    &connector.kind,
                    self.connector_types().map(|known| known.name.as_str()),
                ))
        })
    }

    fn step_type(&self, playbook: &Playbook, step: &Step) -> Result<&StepType, Diagnostic> {
        self.provider(&step.kind)
            .map(|(_, step_type)| step_type)
            .ok_or_else(|| {
                let document = &playbook.document;
                let span = document.span(&format!("{}/type", step.pointer));
                Diagnostic::error(
                    "unknown-step-type",
                    format!("no loaded plugin provides the step type `{}`", step.kind),
                )
                .at(Place::bytes(document.source().clone(), span))
                .maybe_hint(suggestion(
                    &step.kind,
                    self.step_types().map(|known| known.name.as_str()),
                ))
            })
    }
}

fn invalid_input(message: String) -> StepError {
    StepError {
        kind: "invalid-input",
        message,
        hint: None,
    }
}

fn redact_note(redactor: &Redactor, note: &Note) -> Note {
    Note {
        subject: redactor.redact(&note.subject).into_owned(),
        text: redactor.redact(&note.text).into_owned(),
    }
}

fn step_report(step: &Step, status: StepStatus) -> StepReport {
    StepReport {
        id: step.id.clone(),
        name: step.name.clone(),
        step_type: step.kind.clone(),
        status,
        attempts: 0,
        duration_ms: 0,
        result: None,
        error: None,
        notes: Vec::new(),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl From<PluginError> for StepError {
    fn from(error: PluginError) -> Self {
        match error {
            PluginError::Failed(failure) => Self {
                kind: failure.kind.word(),
                message: failure.message,
                hint: failure.hint,
            },
            PluginError::Tls(error) => invalid_input(error.to_string()),
            other => Self {
                kind: "plugin",
                message: other.to_string(),
                hint: None,
            },
        }
    }
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
