//! A Fleet server as something to watch: the posture of its hosts, and the rows of its saved queries.

use serde::Deserialize;

use super::access::{self, Access};
use super::api::{FleetApi, Routes, Session};
use super::wire::{Anything, HostsCount};
use super::{hosts, reports};
use crate::contract::Finding;
use crate::contract::{Failure, Kind};
use crate::contract::{Feeds, Services};
use crate::exports::connectors::{Poll, Summary, Watch};

/// The part of the config that only this connector has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FleetSource {
    /// A Premium team; without one, all that the user may see.
    pub(super) team_id: Option<u64>,
}

impl Watch for FleetSource {
    const NAME: &'static str = "fleetdm";
    const PRODUCT: &'static str = "FleetDM";
    const SUMMARY: &'static str = "FleetDM: changes of host status, and rows of saved queries";
    const CONFIG_SCHEMA: &'static str = include_str!("../../../schemas/fleetdm.config.schema.json");
    const OPTIONS_SCHEMA: &'static str = include_str!("../../../schemas/fleetdm.options.schema.json");
    const STREAMS: &'static [(&'static str, &'static str)] = &[
        ("hosts", "hosts whose status changed"),
        ("reports", "rows that saved queries returned"),
    ];
    type Api = FleetApi;

    async fn poll<S: Feeds>(&self, stream: &str, poll: &Poll<'_, S, FleetApi>) -> Result<Summary, Failure> {
        match stream {
            "hosts" => hosts::poll(poll, self).await,
            _ => reports::poll(poll, self).await,
        }
    }

    async fn check<S: Services>(&self, session: &Session<'_, S>) -> Result<Vec<Finding>, Failure> {
        let access = Access::of(session, self.team_id).await?;
        Ok(vec![
            access.user(),
            access::version(session).await,
            access.reading(),
            // Polling does not need them.
            Finding {
                ok: true,
                ..access.live_queries()
            },
            self.polling(session).await?,
        ])
    }
}

impl FleetSource {
    /// The filter for hosts of the team.
    pub(super) fn team_filter(&self) -> String {
        self.team_id.map(|team| format!("&team_id={team}")).unwrap_or_default()
    }

    /// Reads what polling will read, a little of it.
    async fn polling<S: Services>(&self, session: &Session<'_, S>) -> Result<Finding, Failure> {
        let team = self.team_filter();
        let counted: Result<HostsCount, Failure> = session.get(&format!("/hosts/count?order_key=id{team}")).await;
        let count = match counted {
            Ok(counted) => counted.count,
            Err(failure) if failure.kind == Kind::Permission && failure.message.contains("Premium") => {
                return Err(failure.hint("teams exist in Fleet Premium only; leave team_id out"));
            }
            Err(failure) => return Err(failure),
        };
        let routes = Routes::of(session).await?;
        let _: Anything = session
            .get(&format!("{}?page=0&per_page=1{team}", routes.list()))
            .await?;
        let finding = |text: String, ok| Finding::new("hosts", text, ok);
        Ok(match (count, self.team_id) {
            (0, Some(team)) => finding(
                format!("team {team} has no hosts, or does not exist, or this user may not see it"),
                false,
            ),
            (0, None) => finding("none that this user may see".into(), false),
            (count, _) => finding(count.to_string(), true),
        })
    }
}
