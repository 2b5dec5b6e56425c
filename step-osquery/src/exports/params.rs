//! The step's params, as types that cannot be wrong. Nothing is sent before they are complete.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::contract::{Failure, Kind};
use crate::exports::Backend;
use crate::template::{Sql, Template, TemplateError};

/// Everything a live query needs.
#[derive(Debug)]
pub struct Params {
    /// The fleet manager.
    pub backend: Backend,
    /// Where it is.
    pub base_url: BaseUrl,
    /// As whom to ask.
    pub credentials: Credentials,
    /// What to ask.
    pub sql: Sql,
    /// Whom to ask.
    pub targets: TargetHosts,
    /// How long to wait.
    pub timeout: TimeoutSeconds,
}

/// The server's address. Where requests go is the host's business: only the path matters to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    origin: String,
    prefix: String,
}

/// As whom to ask. The texts are handles, unless the author wrote the secret into the playbook.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A token.
    Token(String),
    /// A user who logs in.
    Password {
        /// The user; for Fleet an e-mail address.
        username: String,
        /// The password.
        password: String,
    },
}

/// The names of the hosts to ask: at least one, none empty, each once, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetHosts(Vec<String>);

/// A time limit from 1 to 900 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutSeconds(u16);

/// The params as they are written.
#[derive(Deserialize)]
struct Written {
    backend: String,
    base_url: String,
    api_token: Option<String>,
    username: Option<String>,
    password: Option<String>,
    template: String,
    #[serde(default)]
    template_params: Map<String, Value>,
    target_hosts: Vec<String>,
    timeout_seconds: Option<Value>,
    // These are the host's: it secures the connection.
    #[serde(rename = "verify_tls")]
    _verify_tls: Option<bool>,
    #[serde(rename = "ca_file")]
    _ca_file: Option<String>,
    #[serde(rename = "client_certificate")]
    _client_certificate: Option<String>,
    /// Params that only one backend has, and those that none has.
    #[serde(flatten)]
    own: Map<String, Value>,
}

impl Params {
    /// Reads the params. Durations in them count back from `now`.
    pub fn parse(json: &str, now: Timestamp) -> Result<Self, Failure> {
        let written: Written = serde_json::from_str(json)
            // The words of the JSON library may quote a value; its place is enough.
            .map_err(|error| invalid(format!("the params do not fit the schema (column {})", error.column())))?;
        Ok(Self {
            backend: Backend::new(&written.backend, written.own)?,
            base_url: BaseUrl::parse(&written.base_url)?,
            credentials: Credentials::choose(written.api_token, written.username, written.password)?,
            sql: Template::named(&written.template)?.render(&written.template_params, now)?,
            targets: TargetHosts::new(written.target_hosts)?,
            timeout: TimeoutSeconds::parse(written.timeout_seconds.as_ref())?,
        })
    }
}

impl BaseUrl {
    /// Accepts the address of the server with or without a trailing slash, a path prefix, and the `/api` that people
    /// copy from its documentation.
    pub fn parse(url: &str) -> Result<Self, Failure> {
        let wrong = || invalid("base_url must be an http or https address such as https://fleet.corp.example.com");
        let (scheme, rest) = url.trim().split_once("://").ok_or_else(wrong)?;
        let known = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if !known || authority.is_empty() || rest.contains(['?', '#', '@', '\\']) {
            return Err(wrong());
        }
        let mut prefix = path.trim_end_matches('/');
        for suffix in ["/fleet", "/v1", "/latest", "/api"] {
            prefix = prefix
                .strip_suffix(suffix)
                .filter(|_| path.contains("/api"))
                .unwrap_or(prefix);
        }
        Ok(Self {
            origin: format!("{scheme}://{authority}").to_lowercase(),
            prefix: prefix.trim_end_matches('/').to_owned(),
        })
    }

    /// Scheme, host and port, as they are written but in lower case.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The path of an API call.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}

impl Credentials {
    pub(crate) fn choose(
        token: Option<String>,
        username: Option<String>,
        password: Option<String>,
    ) -> Result<Self, Failure> {
        let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        match (token, username, password) {
            (Some(token), None, None) if !token.is_empty() => Ok(Self::Token(token)),
            (None, Some(username), Some(password))
                if given(&Some(username.clone())) && given(&Some(password.clone())) =>
            {
                Ok(Self::Password { username, password })
            }
            _ => Err(invalid(
                "give either api_token, or username and password, and leave none of them empty",
            )),
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::Password { .. } => "Password",
        })
    }
}

impl TargetHosts {
    /// Names to ask. An empty list is an error: it never means all hosts.
    pub fn new(names: impl IntoIterator<Item = String>) -> Result<Self, Failure> {
        let mut targets: Vec<String> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for name in names {
            let name = name.trim();
            if name.is_empty() {
                // Fleet matches an empty identifier with every host that has no serial number.
                return Err(invalid("target_hosts holds an empty name"));
            }
            if seen.insert(name.to_owned()) {
                targets.push(name.to_owned());
            }
        }
        if targets.is_empty() {
            return Err(invalid("target_hosts is empty; name at least one host"));
        }
        Ok(Self(targets))
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl TimeoutSeconds {
    /// Used when the playbook does not say.
    pub const DEFAULT: Self = Self(60);

    fn parse(value: Option<&Value>) -> Result<Self, Failure> {
        let seconds = match value {
            None => return Ok(Self::DEFAULT),
            Some(Value::Number(number)) => number.as_u64(),
            // A value that a template filled in is often a text.
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        seconds
            .and_then(|seconds| u16::try_from(seconds).ok())
            .filter(|seconds| (1..=900).contains(seconds))
            .map(Self)
            .ok_or_else(|| invalid("timeout_seconds must be a whole number from 1 to 900"))
    }

    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Self {
        let kind = match error {
            TemplateError::UnknownTemplate { .. } => Kind::NotAllowed,
            _ => Kind::InvalidParams,
        };
        Self::new(kind, error.to_string()).hint("`playbook templates` lists the templates with their params")
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Kind::InvalidParams, message)
}
