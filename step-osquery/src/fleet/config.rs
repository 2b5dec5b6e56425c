//! The config that only this connector has.

use serde::Deserialize;

/// The config of the connector, beside the server and the credentials.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FleetConfig {
    /// A Premium team; without one, polls cover everything that the user may see.
    pub(super) team_id: Option<u64>,
}

impl FleetConfig {
    /// Returns the filter for hosts of the team.
    pub(super) fn team_filter(&self) -> String {
        self.team_id.map(|team| format!("&team_id={team}")).unwrap_or_default()
    }
}
