//! The connector `fleetdm`: the posture of hosts, and the rows of saved queries.

use serde::Deserialize;

use super::access::{self, Access};
use super::api::FleetApi;
use super::config::FleetConfig;
use super::routes::Routes;
use super::wire::HostsCount;
use super::{hosts, reports};
use crate::contract::{Failure, FailureKind, Finding, PollServices, Services};
use crate::polling::{Connector, Poll, Summary};
use crate::server::{Session, StatusOnly};

/// The connector to a Fleet server.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct FleetConnector(FleetConfig);

impl Connector for FleetConnector {
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

    async fn poll<S: PollServices>(&self, stream: &str, poll: &Poll<'_, S, FleetApi>) -> Result<Summary, Failure> {
        match stream {
            "hosts" => hosts::poll(poll, &self.0).await,
            _ => reports::poll(poll, &self.0).await,
        }
    }

    async fn check<S: Services>(&self, session: &Session<'_, S, FleetApi>) -> Result<Vec<Finding>, Failure> {
        let access = Access::of(session, self.0.team_id).await?;
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

impl FleetConnector {
    /// Checks that polling will work, by reading the beginning of what it reads.
    async fn polling<S: Services>(&self, session: &Session<'_, S, FleetApi>) -> Result<Finding, Failure> {
        let team = self.0.team_filter();
        let counted: Result<HostsCount, Failure> = session.get(&format!("/hosts/count?order_key=id{team}")).await;
        let count = match counted {
            Ok(counted) => counted.count,
            Err(failure) if failure.kind == FailureKind::Permission && failure.message.contains("Premium") => {
                return Err(failure.hint("teams exist in Fleet Premium only; leave team_id out"));
            }
            Err(failure) => return Err(failure),
        };
        let routes = Routes::of(session).await?;
        let _: StatusOnly = session
            .get(&format!("{}?page=0&per_page=1{team}", routes.list()))
            .await?;
        let finding = |text: String, ok| Finding::new("hosts", text, ok);
        Ok(match (count, self.0.team_id) {
            (0, Some(team)) => finding(
                format!("team {team} has no hosts, or does not exist, or this user may not see it"),
                false,
            ),
            (0, None) => finding("none that this user may see".into(), false),
            (count, _) => finding(count.to_string(), true),
        })
    }
}
