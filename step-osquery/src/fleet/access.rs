//! The user that the credentials belong to, and the user's rights.

use super::api::FleetApi;
use super::wire::{Me, Version};
use crate::contract::{Failure, Finding, Services};
use crate::server::Session;

/// Roles that may read hosts and reports.
const READERS: [&str; 6] = [
    "admin",
    "maintainer",
    "observer_plus",
    "observer",
    "technician",
    "team_admin",
];

/// Roles that may run statements of their own.
const RUNNERS: [&str; 3] = ["admin", "maintainer", "observer_plus"];

/// The rights of a user.
pub(super) struct Access {
    name: String,
    /// The global role, or else the roles in teams.
    roles: Vec<String>,
}

impl Access {
    /// Reads the rights of the session's user. With a team, only the roles there count.
    pub(super) async fn of<S: Services>(
        session: &Session<'_, S, FleetApi>,
        team: Option<u64>,
    ) -> Result<Self, Failure> {
        let user = session.get::<Me>("/me").await?.user;
        let name = format!("{}{}", user.email, if user.api_only { " (API-only)" } else { "" });
        let teams = user
            .teams
            .into_iter()
            .filter(|of| team.is_none_or(|team| of.id == team));
        let roles = match user.global_role {
            Some(role) => vec![role],
            None => teams.map(|of| of.role).collect(),
        };
        Ok(Self { name, roles })
    }

    /// Returns the user as a finding.
    pub(super) fn user(&self) -> Finding {
        Finding::new("user", self.name.clone(), true)
    }

    /// Returns a finding on whether polling is allowed.
    pub(super) fn reading(&self) -> Finding {
        let text = if self.has(&READERS) {
            format!("{}, which may read hosts and reports", self.named())
        } else {
            format!(
                "{}; polling needs observer, observer+, maintainer or admin",
                self.named()
            )
        };
        Finding::new("role", text, self.has(&READERS))
    }

    /// Returns a finding on whether live queries are allowed.
    pub(super) fn live_queries(&self) -> Finding {
        let text = if self.has(&RUNNERS) {
            format!("allowed by the role {}", self.named())
        } else {
            format!(
                "not with the role {}; playbooks need observer+, maintainer or admin",
                self.named()
            )
        };
        Finding::new("live queries", text, self.has(&RUNNERS))
    }

    fn has(&self, roles: &[&str]) -> bool {
        self.roles.iter().any(|role| roles.contains(&role.as_str()))
    }

    fn named(&self) -> String {
        if self.roles.is_empty() {
            "none".into()
        } else {
            self.roles.join(", ")
        }
    }
}

/// Returns the server's version as a finding.
pub(super) async fn version<S: Services>(session: &Session<'_, S, FleetApi>) -> Finding {
    let version: Result<Version, Failure> = session.get("/version").await;
    let text = match version {
        Ok(version) => format!("Fleet {}", version.version),
        Err(failure) => format!("Fleet; it does not tell its version: {failure}"),
    };
    Finding::new("server", text, true)
}
