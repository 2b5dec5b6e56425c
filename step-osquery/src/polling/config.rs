//! The config of a connector, and the settings of a poll, as the host gives them.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::connector::Connector;
use crate::contract::{Failure, FailureKind};
use crate::event::Source;
use crate::server::{BaseUrl, Credentials};

/// The settings of a poll, as the host gives them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of the events' format.
    pub format: String,
    /// `config` of the connector file, as JSON.
    pub config: String,
    /// `connector_config` of the connector file, as JSON.
    pub options: String,
}

/// A connector's config, as types that cannot be wrong.
pub(super) struct Config<C> {
    pub(super) base_url: BaseUrl,
    pub(super) credentials: Credentials,
    /// The config that only this connector has.
    pub(super) own: C,
}

/// The config as the connector file gives it.
#[derive(Deserialize)]
struct RawConfig {
    base_url: String,
    api_token: Option<String>,
    username: Option<String>,
    password: Option<String>,
    // The host uses these to secure the connection.
    #[serde(rename = "verify_tls")]
    _verify_tls: Option<bool>,
    #[serde(rename = "ca_file")]
    _ca_file: Option<String>,
    #[serde(rename = "client_certificate")]
    _client_certificate: Option<String>,
    #[serde(flatten)]
    own: Map<String, Value>,
}

impl<C: Connector> Config<C> {
    pub(super) fn parse(json: &str) -> Result<Self, Failure> {
        let raw: RawConfig = serde_json::from_str(json).map_err(|error| unfit("config", &error))?;
        Ok(Self {
            base_url: BaseUrl::parse(&raw.base_url)?,
            credentials: Credentials::choose(raw.api_token, raw.username, raw.password)?,
            own: serde_json::from_value(Value::Object(raw.own)).map_err(|error| unfit("config", &error))?,
        })
    }

    /// Returns the source of its events.
    pub(super) fn source(&self) -> Source {
        Source {
            connector: C::NAME,
            product: C::PRODUCT,
            origin: self.base_url.origin().to_owned(),
        }
    }
}

/// Reports a text that does not fit its schema. The message of the JSON library may quote a value; the place is enough.
pub(super) fn unfit(what: &str, error: &serde_json::Error) -> Failure {
    let message = format!("{what} does not fit the schema (column {})", error.column());
    Failure::new(FailureKind::InvalidParams, message)
}
