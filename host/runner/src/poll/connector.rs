//! The connector file.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::language::params;
use crate::language::params::{Rendered, Written};
use crate::language::render::locate;
use crate::language::render::{self, Mentions, Renderer, Scope, Values};
use crate::net::egress::{Grant, Sessions};
use crate::net::policy::Policy;
use crate::sandbox::connector_type::ConnectorType;
use crate::sandbox::plugin::polling::ConnectorCall;
use crate::sandbox::plugin::polling::Settings;
use crate::secrets::{Redactor, Secrets, Vault, names_of_schema};
use crate::text::diagnostic::{Code, Diagnostic, Diagnostics, suggestion};
use crate::text::document::Document;
use crate::text::json::each_text;
use crate::text::schema::Schema;
use crate::text::schema::place;
use crate::text::source::Source;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// JSON Schema of a connector file.
pub const CONNECTOR_SCHEMA: &str = include_str!("../../schemas/bare/connector.schema.json");

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let document = serde_json::from_str(CONNECTOR_SCHEMA).map_err(|error| error.to_string());
    let schema = document.and_then(Schema::compile);
    schema.expect("the schema of connector files is valid")
});

/// Used when neither the file nor the schema of its options says how often to poll.
const INTERVAL: Duration = Duration::from_mins(5);

/// A parsed connector file.
#[derive(Debug, Clone)]
pub struct Connector {
    pub(crate) kind: String,
    pub(crate) name: String,
    config: Map<String, Value>,
    options: Map<String, Value>,
    /// What the templates of the file look at, and where they stand as JSON pointers.
    inputs: Vec<(String, Mentions)>,
    pub(crate) document: Document,
}

/// What a connector is given besides its file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectorInputs {
    /// What `{{ secrets.… }}` stands for.
    pub secrets: Secrets,
    /// What `{{ vars.… }}` sees.
    pub vars: Map<String, Value>,
    /// The directory that file names in the config start from.
    pub directory: PathBuf,
    /// The form of the events; without one, the connector's usual form.
    pub format: Option<String>,
}

impl ConnectorInputs {
    /// Inputs with these secrets, no vars, files from the working directory and the connector's own format.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            secrets,
            vars: Map::new(),
            directory: PathBuf::from("."),
            format: None,
        }
    }
}

/// A connector with everything checked that could be checked before its first request.
#[derive(Debug, Clone)]
pub struct PreparedConnector {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) settings: Settings,
    pub(crate) interval: Duration,
    pub(crate) streams: Vec<String>,
    pub(crate) vault: Vault,
    /// The sessions that its calls share, for as long as it is polled.
    pub(crate) sessions: Sessions,
    pub(crate) grant: Option<Arc<Grant>>,
}

impl Connector {
    /// Reads a connector file. `name` is what messages call the text. All problems are reported, not the first only.
    pub fn parse(name: &str, text: &str) -> Result<Self, Diagnostics> {
        let (document, problems) = Document::parse(Source::new(name, text))?;
        let (connector, problems) = Self::read(document, problems);
        problems.or(connector)
    }

    /// What could be read, and its problems besides those of the document; with any it is not fit to be polled.
    pub(crate) fn read(document: Document, mut problems: Diagnostics) -> (Self, Diagnostics) {
        let found = SCHEMA.validate(document.value()).into_iter();
        problems.extend(found.map(|problem| place(&document, "", problem)));
        let mut inputs = Vec::new();
        each_text(
            document.value(),
            "",
            &mut |pointer, text| match render::check(text, Scope::Roots) {
                Ok(mentions) if mentions == Mentions::default() => {}
                Ok(mentions) => inputs.push((pointer.to_owned(), mentions)),
                Err(found) => problems.extend(found.into_iter().map(|problem| locate(&document, pointer, problem))),
            },
        );
        let text = |key: &str| document.value()[key].as_str().unwrap_or_default().to_owned();
        let map = |key: &str| document.value()[key].as_object().cloned().unwrap_or_default();
        let connector = Self {
            kind: text("connector"),
            name: text("name"),
            config: map("config"),
            options: map("connector_config"),
            inputs,
            document,
        };
        (connector, problems)
    }

    /// What it is called. What was polled is remembered under this name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the secrets that it uses.
    pub fn secret_names(&self) -> BTreeSet<String> {
        let secrets = self.inputs.iter().flat_map(|(_, mentions)| &mentions.secrets);
        secrets.map(|(name, _)| name.clone()).collect()
    }

    /// Everything that is wrong and can be told without secrets.
    pub(crate) fn check(&self, kind: &ConnectorType) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        // That there is none was said when the file was read.
        if self.document.value().get("config").is_some() {
            problems.extend(self.config(kind).check_written());
        }
        problems.extend(self.options(kind).check_written());
        problems
    }

    pub(crate) fn prepare(
        &self,
        kind: &ConnectorType,
        inputs: ConnectorInputs,
        policy: &Policy,
    ) -> Result<PreparedConnector, Diagnostics> {
        let mut problems = Diagnostics::from(self.check(kind));
        let formats = kind.formats.iter().map(|format| format.name.as_str());
        let format = inputs.format.unwrap_or_else(|| kind.formats[0].name.clone());
        if !formats.clone().any(|known| known == format) {
            let problem = Diagnostic::error(
                Code::UnknownFormat,
                format!("there are no events in the form `{format}`"),
            );
            problems.push(problem.maybe_hint(suggestion(&format, formats)));
        }
        problems.clone().or(())?;
        let vault = Vault::new(inputs.secrets);
        vault.keep_names(self.names(kind));
        for written in [self.config(kind), self.options(kind)] {
            problems.extend(written.resolve(&vault));
        }
        problems.or(())?;
        let values = Values {
            vars: Some(Value::Object(inputs.vars)),
            ..Values::default()
        };
        let renderer = Renderer::new(vault.clone(), values);
        let config = self.config(kind).render(&renderer);
        let options = self.options(kind).render(&renderer);
        let (config, options): (Rendered, Rendered) = match (config, options) {
            (Ok(config), Ok(options)) => (config, options),
            (config, options) => {
                let problems = [config.err(), options.err()].into_iter().flatten().flatten();
                return Err(problems.collect::<Diagnostics>().in_order());
            }
        };
        let grant = params::grant(&config, &inputs.directory, policy)
            .map_err(|error| Diagnostics::from(self.config(kind).refused(&error)))?;
        Ok(PreparedConnector {
            name: self.name.clone(),
            kind: self.kind.clone(),
            interval: options.interval.unwrap_or(INTERVAL),
            settings: Settings {
                format,
                config: config.value,
                options: options.value,
            },
            streams: kind.streams.iter().map(|stream| stream.name.clone()).collect(),
            vault,
            sessions: Sessions::default(),
            grant: grant.map(Arc::new),
        })
    }

    /// What the author of the file, and the plugin, call things.
    fn names(&self, kind: &ConnectorType) -> Vec<String> {
        let mut names = vec![self.name.clone(), self.kind.clone()];
        names.extend(self.config.keys().chain(self.options.keys()).cloned());
        names.extend(kind.streams.iter().map(|stream| stream.name.clone()));
        names_of_schema(kind.config.document(), &mut names);
        names_of_schema(kind.options.document(), &mut names);
        for format in &kind.formats {
            names.push(format.name.clone());
            names_of_schema(format.schema.document(), &mut names);
        }
        names
    }

    fn config<'a>(&'a self, kind: &'a ConnectorType) -> Written<'a> {
        Written {
            document: &self.document,
            pointer: "/config".into(),
            values: &self.config,
            schema: &kind.config,
            inputs: &self.inputs,
        }
    }

    fn options<'a>(&'a self, kind: &'a ConnectorType) -> Written<'a> {
        Written {
            document: &self.document,
            pointer: "/connector_config".into(),
            values: &self.options,
            schema: &kind.options,
            inputs: &self.inputs,
        }
    }
}

impl PreparedConnector {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind of connector.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What it polls, for people and for a store to tell it from others: the kind and the server.
    pub fn subject(&self) -> String {
        match &self.grant {
            Some(grant) => format!("{} at {}", self.kind, grant.origin),
            None => self.kind.clone(),
        }
    }

    /// The form of its events.
    pub fn format(&self) -> &str {
        &self.settings.format
    }

    /// How long from one poll to the next.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Removes the secrets of the connector from texts, and the tokens that its server has given so far.
    pub fn redactor(&self) -> Redactor {
        self.vault.redactor()
    }

    /// What the user must know of secrets that can be used and cannot be kept out of what is shown.
    pub fn warnings(&self) -> Vec<String> {
        self.vault.warnings()
    }

    pub(crate) fn call(&self) -> ConnectorCall {
        ConnectorCall {
            connector: self.kind.clone(),
            settings: self.settings.clone(),
            vault: self.vault.clone(),
            sessions: self.sessions.clone(),
            grant: self.grant.clone(),
            cancel: CancellationToken::new(),
            events: crate::sandbox::event::CallObserver::ignore(),
            remembered: crate::sandbox::store::Memory::none(),
        }
    }
}
