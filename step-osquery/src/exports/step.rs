//! The step `osquery_live_query`. Nothing is sent before its params are complete and valid.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::backend::Backend;
use crate::contract::{Failure, FailureKind, Finding, Services};
use crate::live_query::{Outcome, Question, TargetHosts, TimeoutSeconds};
use crate::server::{BaseUrl, Credentials};
use crate::template::Template;

/// The name that playbooks use.
pub const NAME: &str = "osquery_live_query";

/// One line for people.
pub const SUMMARY: &str =
    "Runs a vetted osquery statement on the given hosts, through FleetDM or osctrl, and returns rows for each host";

/// JSON Schema of the params.
pub const PARAMS_SCHEMA: &str = include_str!("../../../schemas/osquery_live_query.params.schema.json");

/// JSON Schema of the result.
pub const RESULT_SCHEMA: &str = include_str!("../../../schemas/osquery_live_query.result.schema.json");

/// The param that names the targets.
pub const TARGETS: &str = "target_hosts";

/// The key of the result for the rows of each host.
pub const ENTRIES: &str = "results";

/// The key for the reasons why hosts failed.
pub const FAILURES: &str = "failed_hosts";

/// The key for the hosts that did not answer.
pub const UNANSWERED: &str = "timed_out_hosts";

/// The key that says whether a host failed or did not answer.
pub const PARTIAL: &str = "partial";

/// Runs the step: publishes what became of each host. All params are checked before anything is sent.
pub async fn run<S: Services>(services: &S, params: &str) -> Result<Outcome, Failure> {
    let params = Params::parse(params, services.now())?;
    params.backend.ask(services, &params.question).await
}

/// Checks whether the step could run: which user it logs in as, whether the user's rights suffice, and which hosts the
/// targets are. Asks no host.
pub async fn check<S: Services>(services: &S, params: &str) -> Result<Vec<Finding>, Failure> {
    let params = Params::parse(params, services.now())?;
    params.backend.check(services, &params.question).await
}

/// The params of the step.
#[derive(Debug)]
pub struct Params {
    /// The fleet manager.
    pub backend: Backend,
    /// The question to its hosts.
    pub question: Question,
}

/// The params as the playbook gives them.
#[derive(Deserialize)]
struct RawParams {
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
    // The host uses these to secure the connection.
    #[serde(rename = "verify_tls")]
    _verify_tls: Option<bool>,
    #[serde(rename = "ca_file")]
    _ca_file: Option<String>,
    #[serde(rename = "client_certificate")]
    _client_certificate: Option<String>,
    /// Params that only one backend has, and unknown ones.
    #[serde(flatten)]
    own: Map<String, Value>,
}

impl Params {
    /// Parses the params. Durations in them count back from `now`.
    pub fn parse(json: &str, now: Timestamp) -> Result<Self, Failure> {
        let raw: RawParams = serde_json::from_str(json)
            // The message of the JSON library may quote a value; the place is enough.
            .map_err(|error| {
                let message = format!("the params do not fit the schema (column {})", error.column());
                Failure::new(FailureKind::InvalidParams, message)
            })?;
        Ok(Self {
            backend: Backend::new(&raw.backend, raw.own)?,
            question: Question {
                base_url: BaseUrl::parse(&raw.base_url)?,
                credentials: Credentials::choose(raw.api_token, raw.username, raw.password)?,
                sql: Template::named(&raw.template)?.render(&raw.template_params, now)?,
                targets: TargetHosts::new(raw.target_hosts)?,
                timeout: TimeoutSeconds::parse(raw.timeout_seconds.as_ref())?,
            },
        })
    }
}
