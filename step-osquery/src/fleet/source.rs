//! A Fleet server as something to watch: the posture of its hosts, and the rows of its saved queries.

use serde::Deserialize;

use super::api::{FleetApi, Routes, Session};
use super::wire::{Anything, HostsCount, Me, Version};
use super::{posture, reports};
use crate::connector::{Finding, Poll, Summary, Watch};
use crate::failure::{Failure, Kind};
use crate::services::{Feeds, Services};

/// The part of the config that only this connector has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FleetSource {
    /// A Premium team; without one, all that the user may see.
    pub(super) team_id: Option<u64>,
}

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
            "hosts" => posture::poll(poll, self).await,
            _ => reports::poll(poll, self).await,
        }
    }

    async fn check<S: Services>(&self, session: &Session<'_, S>) -> Result<Vec<Finding>, Failure> {
        let me: Me = session.get("/me").await?;
        let user = me.user;
        let mut found = vec![Finding {
            subject: "user",
            text: format!("{}{}", user.email, if user.api_only { " (API-only)" } else { "" }),
            ok: true,
        }];
        found.push(version(session).await);
        let role = match self.team_id.filter(|_| user.global_role.is_none()) {
            Some(team) => user.teams.iter().find(|of| of.id == team).map(|of| of.role.clone()),
            None => user
                .global_role
                .clone()
                .or_else(|| user.teams.first().map(|of| of.role.clone())),
        };
        let may = |roles: &[&str]| role.as_deref().is_some_and(|role| roles.contains(&role));
        let named = role.clone().unwrap_or_else(|| "none".into());
        let polling = self.polling(session).await?;
        found.push(Finding {
            subject: "role",
            text: if may(&READERS) {
                format!("{named}, which may read hosts and reports")
            } else {
                format!("{named}; polling needs observer, observer+, maintainer or admin")
            },
            ok: may(&READERS),
        });
        found.push(Finding {
            subject: "live queries",
            text: if may(&RUNNERS) {
                "allowed by the role".into()
            } else {
                format!("not with the role {named}; playbooks need observer+, maintainer or admin")
            },
            // Polling does not need them.
            ok: true,
        });
        found.push(polling);
        Ok(found)
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
        let finding = |text, ok| Finding {
            subject: "hosts",
            text,
            ok,
        };
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

async fn version<S: Services>(session: &Session<'_, S>) -> Finding {
    let version: Result<Version, Failure> = session.get("/version").await;
    Finding {
        subject: "server",
        text: match version {
            Ok(version) => format!("Fleet {}", version.version),
            Err(failure) => format!("Fleet; it does not tell its version: {failure}"),
        },
        ok: true,
    }
}
