//! Loaded plugins, and what playbooks and connector files can do with them.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::language::params::Written;
use crate::language::playbook::{Checked, Playbook, StepTypes};
use crate::language::references;
use crate::language::step::CONDITION;
use crate::language::step::Step;
use crate::limits::{Limits, Pools, ResultsHeld};
use crate::net::egress::Network;
use crate::net::policy::Policy;
use crate::poll::connector::{Connector, ConnectorInputs, PreparedConnector};
use crate::poll::poller::{PollObserver, Poller};
use crate::poll::sink::Sinks;
use crate::sandbox::connector_type::ConnectorType;
use crate::sandbox::engine::Engine;
use crate::sandbox::finding::Finding;
use crate::sandbox::inspection::sha256_of;
use crate::sandbox::plugin::{Plugin, PluginError, TrustedBy};
use crate::sandbox::step_type::StepType;
use crate::sandbox::store::Store;
use crate::secrets::Secrets;
use crate::text::diagnostic::{Code, Diagnostic, Diagnostics, suggestion};
use crate::text::document::Document;
use crate::text::source::Source;

/// Loaded plugins, ready to run playbooks.
///
/// Make one and keep it: connections and compiled plugins are shared by all runs, and runs may overlap.
pub struct Runner {
    engine: Engine,
    limits: Limits,
    /// What all calls share.
    pools: Pools,
    network: Network,
    plugins: Vec<Arc<Plugin>>,
    /// Stands for the step types of these plugins.
    known: StepTypes,
}

/// What a run is given besides the playbook.
#[derive(Debug, Clone)]
#[non_exhaustive]
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
    /// Skips steps whose type no loaded plugin provides, which are otherwise an error.
    pub skip_unknown_steps: bool,
    /// Also tells pieces of results as they come to be known ([`CallEvent::Part`](crate::sandbox::CallEvent::Part)).
    pub parts: bool,
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
            skip_unknown_steps: false,
            parts: false,
        }
    }
}

impl Runner {
    /// A runner without plugins.
    pub fn new(engine: Engine, limits: Limits) -> Self {
        Self {
            engine,
            pools: Pools::new(&limits),
            limits,
            network: Network::default(),
            plugins: Vec::new(),
            known: StepTypes::default(),
        }
    }

    /// A runner whose plugins reach what a policy allows.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self {
            network: Network::new(policy),
            ..self
        }
    }

    /// Reads the certificate authorities of the platform on another thread. They are hundreds of files; whoever is about to
    /// connect to something can have them read while it does something else.
    pub fn prepare_to_connect(&self) {
        let network = self.network.clone();
        tokio::task::spawn_blocking(move || {
            // Whoever connects is told what is wrong with them.
            let _ = network.prepare();
        });
    }

    /// What plugins may reach.
    pub fn policy(&self) -> &Policy {
        self.network.policy()
    }

    /// Loads a plugin. `name` is how errors refer to it. A step type or connector that another plugin provides is an error.
    pub async fn load(&mut self, name: &str, component: &[u8]) -> Result<(), PluginError> {
        let plugin = self
            .loaded(name, component, &sha256_of(component), TrustedBy::Nobody)
            .await?;
        if let Some(taken) = self.taken(&plugin) {
            let reason = format!("it provides {taken}, which is there already");
            return Err(PluginError::Description {
                plugin: name.to_owned(),
                reason,
            });
        }
        self.add(plugin);
        Ok(())
    }

    /// Loads a plugin that is part of the program, unless the ones before it provide one of its step types or connectors.
    ///
    /// `sha256` is the component's, in hexadecimal, made when the program was: hashing is a tenth of a start. It must be
    /// right, since what an engine has compiled is found by it.
    pub async fn load_built_in(&mut self, name: &str, component: &[u8], sha256: &str) -> Result<(), PluginError> {
        let plugin = self.loaded(name, component, sha256, TrustedBy::Program).await?;
        if self.taken(&plugin).is_none() {
            self.add(plugin);
        }
        Ok(())
    }

    fn add(&mut self, plugin: Plugin) {
        self.plugins.push(Arc::new(plugin));
        // What was checked before was not checked against this plugin.
        self.known = StepTypes::default();
    }

    async fn loaded(
        &self,
        name: &str,
        component: &[u8],
        sha256: &str,
        trust: TrustedBy,
    ) -> Result<Plugin, PluginError> {
        Plugin::load_as(&self.engine, name, component, sha256, &self.limits, &self.pools, trust).await
    }

    /// What a plugin provides that another provides already.
    fn taken(&self, plugin: &Plugin) -> Option<String> {
        let mut steps = plugin.step_types().iter().map(|step| &step.name);
        let mut connectors = plugin.connector_types().iter().map(|connector| &connector.name);
        let step = steps.find(|name| *name == CONDITION || self.provider(name).is_some());
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

    /// Reads a playbook, and checks its steps against the loaded plugins.
    pub fn read_playbook(&self, source: Source, skip_unknown_steps: bool) -> Result<Playbook, Diagnostics> {
        let (document, problems) = Document::parse(source)?;
        self.playbook(document, problems, skip_unknown_steps)
    }

    /// Reads a connector file, and checks it against the loaded plugins.
    pub fn read_connector(&self, source: Source) -> Result<Connector, Diagnostics> {
        let (document, problems) = Document::parse(source)?;
        self.connector(document, problems)
    }

    pub(crate) fn playbook(
        &self,
        document: Document,
        problems: Diagnostics,
        skip_unknown_steps: bool,
    ) -> Result<Playbook, Diagnostics> {
        let (playbook, mut problems) = Playbook::read(document, problems);
        problems.extend(self.check_flow(&playbook));
        for at in 0..playbook.steps.len() {
            problems.extend(self.check_step(&playbook, at, skip_unknown_steps));
        }
        problems.or(Playbook {
            checked: Some(Checked {
                against: self.known.clone(),
                skip_unknown_steps,
            }),
            ..playbook
        })
    }

    pub(crate) fn connector(&self, document: Document, problems: Diagnostics) -> Result<Connector, Diagnostics> {
        let (connector, mut problems) = Connector::read(document, problems);
        // Without a kind there is a problem already.
        if !connector.kind.is_empty() {
            problems.extend(self.check_connector(&connector));
        }
        problems.or(connector)
    }

    /// Everything that is wrong with a playbook and can be told without alert or secrets.
    pub fn check(&self, playbook: &Playbook) -> Diagnostics {
        self.check_all(playbook, false)
    }

    /// The same, but for steps whose type no loaded plugin provides: those are taken as skipped.
    pub fn check_known(&self, playbook: &Playbook) -> Diagnostics {
        self.check_all(playbook, true)
    }

    fn check_all(&self, playbook: &Playbook, skip_unknown_steps: bool) -> Diagnostics {
        let steps = 0..playbook.steps.len();
        let problems = steps.flat_map(|at| self.check_step(playbook, at, skip_unknown_steps));
        let problems: Diagnostics = self.check_flow(playbook).into_iter().chain(problems).collect();
        problems.in_order()
    }

    /// Whether this runner read the playbook and found nothing wrong that these checks could find.
    pub(crate) fn has_checked(&self, playbook: &Playbook, skip_unknown_steps: bool) -> bool {
        let checked = playbook.checked.as_ref();
        checked.is_some_and(|checked| checked.covers(&self.known, skip_unknown_steps))
    }

    /// A circle that is there only once steps of unknown types are passed over.
    pub(crate) fn check_flow(&self, playbook: &Playbook) -> Option<Diagnostic> {
        let unknown = |at: usize| self.is_unknown(&playbook.steps[at]);
        let flow = playbook.flow.passing_over(unknown);
        flow.cycle(&playbook.steps, &playbook.document)
    }

    /// Everything that is wrong with a step and can be told without alert or secrets.
    pub(crate) fn check_step(&self, playbook: &Playbook, at: usize, skip_unknown_steps: bool) -> Vec<Diagnostic> {
        let (step, document) = (&playbook.steps[at], &playbook.document);
        let mut problems = Vec::new();
        if self.is_unknown(step) {
            if skip_unknown_steps {
                return Vec::new();
            }
            problems.push(self.unknown_step_type(playbook, step));
        }
        problems.extend(step.problems.iter().cloned());
        if playbook.complete {
            problems.extend(references::check_steps(playbook, at));
        }
        if let Some(declared) = playbook.vars.names() {
            problems.extend(references::check_vars(playbook, at, &declared));
        }
        if let Some((_, step_type)) = self.provider(&step.kind) {
            problems.extend(Written::of_step(document, step, &step_type.params).check_written());
        }
        problems
    }

    /// The connectors that can be polled.
    pub fn connector_types(&self) -> impl Iterator<Item = &ConnectorType> + Clone {
        self.plugins.iter().flat_map(|plugin| plugin.connector_types())
    }

    /// Everything that is wrong with a connector file and can be told without secrets.
    pub fn check_connector(&self, connector: &Connector) -> Diagnostics {
        match self.watcher(connector) {
            Ok((_, kind)) => connector.check(kind).into(),
            Err(problem) => problem.into(),
        }
    }

    /// Renders and validates a connector file. Nothing is sent before this has succeeded.
    pub fn prepare_connector(
        &self,
        connector: &Connector,
        inputs: ConnectorInputs,
    ) -> Result<PreparedConnector, Diagnostics> {
        let (_, kind) = self.watcher(connector)?;
        connector.prepare(kind, inputs, self.policy())
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

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts the results of a new run.
    pub(crate) fn results(&self) -> ResultsHeld {
        self.pools.results()
    }

    pub(crate) fn provider(&self, step_type: &str) -> Option<(&Plugin, &StepType)> {
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
            let message = format!("no loaded plugin provides the connector `{}`", connector.kind);
            Diagnostic::error(Code::UnknownConnector, message)
                .at(connector.document.place("/connector"))
                .maybe_hint(suggestion(
                    &connector.kind,
                    self.connector_types().map(|known| known.name.as_str()),
                ))
        })
    }

    /// Whether no loaded plugin provides the type of a step.
    pub(crate) fn is_unknown(&self, step: &Step) -> bool {
        !step.only_branches() && self.provider(&step.kind).is_none()
    }

    fn unknown_step_type(&self, playbook: &Playbook, step: &Step) -> Diagnostic {
        let known = self.step_types().map(|known| known.name.as_str()).chain([CONDITION]);
        let message = format!("no loaded plugin provides the step type `{}`", step.kind);
        Diagnostic::error(Code::UnknownStepType, message)
            .at(playbook.document.place(&format!("{}/type", step.pointer)))
            .maybe_hint(suggestion(&step.kind, known))
    }
}
