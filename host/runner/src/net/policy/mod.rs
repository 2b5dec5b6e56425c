//! What an operator lets plugins reach, whatever playbooks and connector files say.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::Value;
use url::Host;

use crate::limits::Limits;
use crate::net::address::{Reach, canonical, reach};
use crate::net::origin::Origin;
use crate::text::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::text::document::Document;
use crate::text::schema::Schema;
use crate::text::schema::place;
use crate::text::source::Source;

/// JSON Schema of a policy file.
pub const POLICY_SCHEMA: &str = include_str!("../../../schemas/policy.schema.json");

/// What plugins may reach.
///
/// A playbook names a server, and its step can reach nothing else. A policy says which servers may be named at all. Without
/// one, those are: any over https, this machine's own over http, and none at addresses that are link-local or known to hand
/// out a machine's credentials.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Policy {
    /// If given, only these origins.
    pub allow_origins: Option<Vec<Origin>>,
    /// Also servers of other machines over http, which anybody on the way can read and change.
    pub allow_http: bool,
    /// No address of a private network, and none of this machine.
    pub deny_private: bool,
    /// Addresses that are reached although they would be refused otherwise.
    pub allow_addresses: Vec<IpNet>,
}

/// Why a server is not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It is not among the origins.
    #[error("{origin} is not among the servers that the operator allows ({})", shown(.allowed))]
    Origin {
        /// The server.
        origin: Origin,
        /// Those that are allowed.
        allowed: Vec<Origin>,
    },
    /// It is reached over http, and is another machine's.
    #[error("{origin} is not encrypted: secrets and answers could be read and changed on the way")]
    Unencrypted {
        /// The server.
        origin: Origin,
    },
    /// It has an address that must not be reached.
    #[error("{name} is refused: {address} is {what}")]
    Address {
        /// The server, as it is written.
        name: String,
        /// The address.
        address: IpAddr,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl PolicyError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Origin { .. } => {
                "the operator adds it with --allow-origin, or under allow_origins in the policy file"
            }
            Self::Unencrypted { .. } => {
                "use https; the operator can allow http with --allow-http, or allow_http in the policy file"
            }
            Self::Address { .. } => "the operator can allow the address under allow_addresses in the policy file",
        }
    }
}

fn shown(origins: &[Origin]) -> String {
    if origins.is_empty() {
        return "none".into();
    }
    let shown: Vec<String> = origins.iter().take(5).map(Origin::to_string).collect();
    let more = origins.len().saturating_sub(shown.len());
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl Policy {
    /// Reads a policy file. What it says of limits goes into `limits`.
    pub fn read(source: Source, limits: &mut Limits) -> Result<Self, Diagnostics> {
        let (document, mut problems) = Document::parse(source)?;
        let schema = serde_json::from_str(POLICY_SCHEMA).expect("the host's schemas are JSON");
        let schema = Schema::compile(schema).expect("the host's schemas are valid");
        let found = schema.validate(document.value()).into_iter();
        problems.extend(found.map(|problem| place(&document, "", problem)));
        let value = document.value();
        let texts = |key: &'static str| {
            let texts = value[key].as_array().into_iter().flatten().enumerate();
            texts.filter_map(move |(index, text)| Some((format!("/{key}/{index}"), text.as_str()?)))
        };
        let flag = |key: &str| value[key].as_bool().unwrap_or_default();
        let mut wrong = |pointer: &str, message: String| {
            problems.push(Diagnostic::error(Code::InvalidValue, message).at(document.place(pointer)));
        };
        let mut origins = Vec::new();
        for (pointer, text) in texts("allow_origins") {
            match Origin::of(text) {
                Ok(origin) => origins.push(origin),
                Err(error) => wrong(&pointer, format!("this is no server: {error}")),
            }
        }
        let mut addresses = Vec::new();
        for (pointer, text) in texts("allow_addresses") {
            match text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
                Ok(network) => addresses.push(network),
                Err(_) => wrong(
                    &pointer,
                    "this is neither an IP address nor a network such as 10.1.0.0/16".into(),
                ),
            }
        }
        let policy = Self {
            allow_origins: value.get("allow_origins").map(|_| origins),
            allow_http: flag("allow_http"),
            deny_private: flag("deny_private"),
            allow_addresses: addresses,
        };
        problems.or(())?;
        set_limits(limits, &value["limits"]);
        Ok(policy)
    }

    /// Narrows the policy to these origins, if there are any.
    pub fn narrow(&mut self, origins: Vec<Origin>) {
        if origins.is_empty() {
            return;
        }
        let before = self.allow_origins.take();
        let both = origins
            .into_iter()
            .filter(|origin| before.as_ref().is_none_or(|before| before.contains(origin)));
        self.allow_origins = Some(both.collect());
    }

    /// Refuses a server that may not be reached, judging by its URL alone. An address that its name has is judged when it
    /// is connected to.
    pub fn check(&self, origin: &Origin) -> Result<(), PolicyError> {
        if let Some(allowed) = &self.allow_origins
            && !allowed.contains(origin)
        {
            return Err(PolicyError::Origin {
                origin: origin.clone(),
                allowed: allowed.clone(),
            });
        }
        let address = match origin.host() {
            Host::Ipv4(v4) => Some(IpAddr::V4(*v4)),
            Host::Ipv6(v6) => Some(IpAddr::V6(*v6)),
            Host::Domain(_) => None,
        };
        if let Some(address) = address {
            self.check_address(&origin.host().to_string(), address)?;
        }
        if origin.is_secure() || self.allow_http || is_this_machine(origin.host()) {
            return Ok(());
        }
        Err(PolicyError::Unencrypted { origin: origin.clone() })
    }

    /// Whether an address of a name may be reached. To be asked of the very address that is then connected to.
    pub(crate) fn check_address(&self, name: &str, address: IpAddr) -> Result<(), PolicyError> {
        let refused = |what| {
            let name = name.to_owned();
            Err(PolicyError::Address { name, address, what })
        };
        let known = |network: &IpNet| network.contains(&address) || network.contains(&canonical(address));
        if self.allow_addresses.iter().any(known) {
            return Ok(());
        }
        match reach(address) {
            Reach::Strange(what) => refused(what),
            // The exception for http trusts these names.
            Reach::Private | Reach::Public if is_localhost(name) => refused("not this machine's"),
            Reach::Private if self.deny_private => refused("a private address"),
            Reach::Loopback if self.deny_private => refused("this machine's own"),
            _ => Ok(()),
        }
    }
}

/// Whether a server is on this machine, so that what is sent to it leaves for no network. An address that only carries one of
/// this machine, for a translator to find, leaves for the translator.
pub(crate) fn is_this_machine(host: &Host<impl AsRef<str>>) -> bool {
    match host {
        Host::Ipv4(v4) => v4.is_loopback(),
        Host::Ipv6(v6) => v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
        Host::Domain(name) => is_localhost(name.as_ref()),
    }
}

/// Whether a name is reserved for this machine (RFC 6761, section 6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// What a policy file says of limits. The schema has been checked, with ranges.
fn set_limits(limits: &mut Limits, written: &Value) {
    let number = |key: &str| written[key].as_u64();
    let size = |key: &str| usize::try_from(number(key)?).ok();
    let seconds = |key: &str| number(key).map(Duration::from_secs);
    let small = |key: &str| u32::try_from(number(key)?).ok();
    let set = |limit: &mut usize, written: Option<usize>, unit: usize| {
        *limit = written.map_or(*limit, |written| written * unit);
    };
    set(&mut limits.memory, size("memory_mib"), 1 << 20);
    set(&mut limits.shared, size("shared_mib"), 1 << 20);
    set(&mut limits.body, size("body_mib"), 1 << 20);
    set(&mut limits.result, size("result_mib"), 1 << 20);
    set(&mut limits.results, size("results_mib"), 1 << 20);
    set(&mut limits.batch, size("batch_mib"), 1 << 20);
    set(&mut limits.plugin, size("plugin_mib"), 1 << 20);
    set(&mut limits.headers, size("headers_kib"), 1 << 10);
    set(&mut limits.connections, size("connections"), 1);
    limits.cpu = seconds("cpu_seconds").unwrap_or(limits.cpu);
    limits.poll_cpu = seconds("poll_cpu_seconds").unwrap_or(limits.poll_cpu);
    limits.poll_deadline = seconds("poll_deadline_seconds").unwrap_or(limits.poll_deadline);
    let bytes = |key: &str| number(key).map(|mebibytes| mebibytes << 20);
    limits.state = bytes("state_mib").unwrap_or(limits.state);
    limits.compile_memory = bytes("compile_memory_mib").unwrap_or(limits.compile_memory);
    limits.compile_cpu = seconds("compile_cpu_seconds").unwrap_or(limits.compile_cpu);
    limits.requests = small("requests").unwrap_or(limits.requests);
    limits.log_messages = small("log_messages").unwrap_or(limits.log_messages);
}

#[cfg(test)]
mod tests;
