//! Connectors: what this plugin watches, poll by poll.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::contract::Finding;
use crate::contract::Severity;
use crate::contract::{Batch, Change, Deadline, Feeds, LONGEST_POLL, Services};
use crate::contract::{Failure, Kind};
use crate::event::{About, Event, Format, Source, key};
use crate::exports::{BaseUrl, Credentials};
use crate::fleet::FleetSource;
use crate::osctrl::OsctrlSource;
use crate::server::session::{Api, Session};

/// A system that can be watched: the part of its config that only it has, and what there is to poll.
#[allow(async_fn_in_trait, reason = "a guest has one thread")]
pub(crate) trait Watch: DeserializeOwned {
    /// As connector files spell it.
    const NAME: &'static str;
    /// The product, as events name it.
    const PRODUCT: &'static str;
    /// One line for people.
    const SUMMARY: &'static str;
    /// JSON Schema of `config`.
    const CONFIG_SCHEMA: &'static str;
    /// JSON Schema of `connector_config`.
    const OPTIONS_SCHEMA: &'static str;
    /// What there is to poll, with a line for people each.
    const STREAMS: &'static [(&'static str, &'static str)];
    /// Its API.
    type Api: Api;

    /// Tests a connection.
    async fn check<S: Services>(&self, session: &Session<'_, S, Self::Api>) -> Result<Vec<Finding>, Failure>;

    /// Polls a stream once.
    async fn poll<S: Feeds>(&self, stream: &str, poll: &Poll<'_, S, Self::Api>) -> Result<Summary, Failure>;
}

/// A connector as the contract describes it.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "documented in the contract")]
pub struct Connector {
    pub name: &'static str,
    pub summary: &'static str,
    pub config_schema: &'static str,
    pub options_schema: &'static str,
    pub streams: &'static [(&'static str, &'static str)],
}

/// How to poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Options {
    /// What to do with what is there at the first poll.
    pub initial: Initial,
    /// Which fetched rows to tell.
    pub rows: Rows,
    /// A host whose status changes twice within so many seconds is flapping; 0 if none ever is.
    pub flap_window_seconds: u32,
    /// Reports that are read at once.
    pub concurrent_reports: usize,
}

/// What to do with what is there at the first poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Initial {
    Emit,
    Skip,
}

/// Which fetched rows to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rows {
    /// All.
    All,
    /// Those that the host's earlier answer to the query did not have.
    Changed,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            initial: Initial::Emit,
            rows: Rows::All,
            flap_window_seconds: 0,
            concurrent_reports: 8,
        }
    }
}

/// What a poll came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// What was read.
    pub message: String,
    /// Parts that failed while the rest went on.
    pub failures: Vec<String>,
}

/// Something that the host has to say about a source.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "documented in the contract")]
pub struct Notice {
    pub code: String,
    pub id: String,
    pub severity: Severity,
    pub title: String,
    pub description: String,
    pub time: jiff::Timestamp,
}

/// A poll under way.
pub(crate) struct Poll<'a, S, A> {
    pub(crate) services: &'a S,
    pub(crate) session: Session<'a, S, A>,
    pub(crate) source: Source,
    pub(crate) options: Options,
    format: Format,
}

impl<S: Feeds, A> Poll<'_, S, A> {
    /// Hands over events, and what to remember once they have arrived.
    pub(crate) async fn deliver(&self, events: &[Event], changes: Vec<Change>) -> Result<(), Failure> {
        if events.is_empty() && changes.is_empty() {
            return Ok(());
        }
        let spelt = |event: &Event| (self.format.spell(&self.source, event), event.severity);
        let batch = Batch {
            events: events.iter().map(spelt).collect(),
            changes,
        };
        let delivered = self.services.deliver(batch).await;
        delivered.map_err(|_| Failure::new(Kind::Cancelled, "nobody takes the events any more"))
    }

    /// What is remembered under a key.
    pub(crate) async fn recall(&self, key: &str) -> Option<String> {
        let mut found = self.services.recall(vec![key.to_owned()]).await;
        found.pop().flatten()
    }

    /// Everything that is remembered under keys with this prefix, without the prefix.
    pub(crate) async fn entries<T>(&self, prefix: &str, read: impl Fn(&str, String) -> Option<T>) -> Vec<T> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let part = self.services.entries(prefix, after, ENTRIES).await;
            let Some((last, _)) = part.last() else { return all };
            after = Some(last.clone());
            all.extend(
                part.into_iter()
                    .filter_map(|(key, value)| read(key.strip_prefix(prefix)?, value)),
            );
        }
    }
}

/// Remembered entries that are read at once.
const ENTRIES: u32 = 5_000;

/// A change that remembers a value.
pub(crate) fn remember(key: String, value: &impl serde::Serialize) -> Change {
    let value = serde_json::to_string(value).expect("what is remembered are plain maps with text keys");
    Change {
        key,
        value: Some(value),
    }
}

/// A change that forgets a key.
pub(crate) fn forget(key: String) -> Change {
    Change { key, value: None }
}

/// Something to say about the source itself. `id` tells it from others with the same code.
pub(crate) fn notice(source: &Source, notice: Notice) -> Event {
    let Notice {
        code,
        id,
        severity,
        title,
        description,
        time,
    } = notice;
    let dedupe_key = key(&[source.connector, &source.origin, "notice", &code, &id]);
    Event {
        alert_id: format!("{}-{code}-{id}", source.connector),
        about: About::Notice { code },
        severity,
        title,
        description,
        host: None,
        external_id: id,
        dedupe_key,
        time,
    }
}

macro_rules! connectors {
    ($($watch:ident,)*) => {
        /// All connectors.
        pub const ALL: &[Connector] = &[$(Connector {
            name: $watch::NAME,
            summary: $watch::SUMMARY,
            config_schema: $watch::CONFIG_SCHEMA,
            options_schema: $watch::OPTIONS_SCHEMA,
            streams: $watch::STREAMS,
        },)*];

        /// Tests a connection.
        pub async fn check<S: Services>(services: &S, connector: &str, config: &str) -> Result<Vec<Finding>, Failure> {
            match connector {
                $($watch::NAME => check_one::<$watch, S>(services, config).await,)*
                _ => Err(unknown(connector)),
            }
        }

        /// Polls a stream once.
        pub async fn poll<S: Feeds>(
            services: &S,
            connector: &str,
            stream: &str,
            settings: &Settings,
        ) -> Result<Summary, Failure> {
            match connector {
                $($watch::NAME => poll_one::<$watch, S>(services, stream, settings).await,)*
                _ => Err(unknown(connector)),
            }
        }

        /// Spells a notice of the host's as an event.
        pub fn tell(connector: &str, settings: &Settings, said: Notice) -> Result<(String, Severity), Failure> {
            let source = match connector {
                $($watch::NAME => Config::<$watch>::parse(&settings.config)?.source(),)*
                _ => return Err(unknown(connector)),
            };
            let event = notice(&source, said);
            Ok((Format::named(&settings.format)?.spell(&source, &event), event.severity))
        }
    };
}

// A new connector is a module, and a line here.
connectors! {
    FleetSource,
    OsctrlSource,
}

/// What a poll is to do, as the host gives it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The form of the events.
    pub format: String,
    /// `config` of the connector file, as JSON.
    pub config: String,
    /// `connector_config` of the connector file, as JSON.
    pub options: String,
}

async fn check_one<W: Watch, S: Services>(services: &S, config: &str) -> Result<Vec<Finding>, Failure> {
    let config = Config::<W>::parse(config)?;
    let deadline = Deadline::after(services, LONGEST_POLL);
    let session = Session::new(services, &config.base_url, &config.credentials, deadline);
    config.own.check(&session).await
}

async fn poll_one<W: Watch, S: Feeds>(services: &S, stream: &str, settings: &Settings) -> Result<Summary, Failure> {
    let config = Config::<W>::parse(&settings.config)?;
    let deadline = Deadline::after(services, LONGEST_POLL);
    let poll = Poll {
        services,
        session: Session::new(services, &config.base_url, &config.credentials, deadline),
        source: config.source(),
        options: serde_json::from_str(&settings.options).map_err(|error| unfit("connector_config", &error))?,
        format: Format::named(&settings.format)?,
    };
    config.own.poll(stream, &poll).await
}

/// A connector's config, as types that cannot be wrong.
struct Config<W> {
    base_url: BaseUrl,
    credentials: Credentials,
    own: W,
}

/// The config as it is written.
#[derive(Deserialize)]
struct Written {
    base_url: String,
    api_token: Option<String>,
    username: Option<String>,
    password: Option<String>,
    // These are the host's: it secures the connection.
    #[serde(rename = "verify_tls")]
    _verify_tls: Option<bool>,
    #[serde(rename = "ca_file")]
    _ca_file: Option<String>,
    #[serde(rename = "client_certificate")]
    _client_certificate: Option<String>,
    #[serde(flatten)]
    own: Map<String, Value>,
}

impl<W: Watch> Config<W> {
    fn parse(json: &str) -> Result<Self, Failure> {
        let written: Written = serde_json::from_str(json).map_err(|error| unfit("config", &error))?;
        Ok(Self {
            base_url: BaseUrl::parse(&written.base_url)?,
            credentials: Credentials::choose(written.api_token, written.username, written.password)?,
            own: serde_json::from_value(Value::Object(written.own)).map_err(|error| unfit("config", &error))?,
        })
    }

    fn source(&self) -> Source {
        Source {
            connector: W::NAME,
            product: W::PRODUCT,
            origin: self.base_url.origin().to_owned(),
        }
    }
}

/// The words of the JSON library may quote a value; its place is enough.
fn unfit(what: &str, error: &serde_json::Error) -> Failure {
    let message = format!("{what} does not fit the schema (column {})", error.column());
    Failure::new(Kind::InvalidParams, message)
}

fn unknown(connector: &str) -> Failure {
    let name: String = connector.chars().take(100).collect();
    Failure::new(Kind::NotFound, format!("this plugin has no connector `{name}`"))
}
