//! The targets of a live query, as the playbook names them.

use std::collections::HashSet;

use crate::contract::{Failure, FailureKind};

/// The names of the hosts to ask: at least one, none empty, each once, in the given order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetHosts(Vec<String>);

impl TargetHosts {
    /// Accepts the names of a playbook. An empty list is an error: it never means all hosts.
    pub fn new(names: impl IntoIterator<Item = String>) -> Result<Self, Failure> {
        let mut targets: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
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

    /// Returns the names.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::InvalidParams, message)
}

/// Returns the reason why a name that means several hosts cannot be asked.
pub(crate) fn ambiguous<H>(hosts: &[H], show: impl Fn(&H) -> String) -> String {
    let shown: Vec<String> = hosts.iter().take(5).map(show).collect();
    let more = hosts.len().saturating_sub(shown.len());
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!(
        "{} hosts have this name: {}{more}; use the uuid",
        hosts.len(),
        shown.join(", ")
    )
}
