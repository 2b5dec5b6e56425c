//! An osctrl environment as something to watch: the answers to its distributed queries.

use futures::future::join;
use serde::Deserialize;

use super::answers;
use super::api::{OsctrlApi, Session};
use super::environment::Environment;
use super::nodes::name;
use super::wire::{Anything, Me, NodesPage};
use crate::contract::Finding;
use crate::contract::{Failure, Kind};
use crate::contract::{Feeds, Services};
use crate::exports::connectors::{Poll, Summary, Watch};

/// The part of the config that only this connector has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OsctrlSource {
    pub(super) environment: Environment,
}

impl Watch for OsctrlSource {
    const NAME: &'static str = "osctrl";
    const PRODUCT: &'static str = "osctrl";
    const SUMMARY: &'static str = "osctrl: answers to the distributed queries of an environment";
    const CONFIG_SCHEMA: &'static str = include_str!("../../../schemas/osctrl.config.schema.json");
    const OPTIONS_SCHEMA: &'static str = include_str!("../../../schemas/osctrl.options.schema.json");
    const STREAMS: &'static [(&'static str, &'static str)] = &[("answers", "rows that nodes answered")];
    type Api = OsctrlApi;

    async fn poll<S: Feeds>(&self, _: &str, poll: &Poll<'_, S, OsctrlApi>) -> Result<Summary, Failure> {
        answers::poll(poll, &self.environment).await
    }

    async fn check<S: Services>(&self, session: &Session<'_, S>) -> Result<Vec<Finding>, Failure> {
        let me: Me = session.get("/users/me").await?;
        let finding = |subject: &'static str, text: String, ok| Finding::new(subject, text, ok);
        let mut found = vec![
            finding("user", me.username.clone(), true),
            finding("server", "osctrl, which does not tell its version".into(), true),
        ];
        let environment = self.environment.segment();
        let (nodes, queries) = (
            format!("/nodes/{environment}?status=all&page=1&page_size=1"),
            format!("/queries/{environment}/list/all-full?page=1&page_size=1"),
        );
        let (nodes, queries) = join(session.get::<NodesPage>(&nodes), session.get::<Anything>(&queries)).await;
        let nodes = match nodes.map_err(|failure| name(failure, &self.environment)) {
            Ok(nodes) => Ok(nodes.total_items),
            Err(failure) if failure.kind == Kind::Permission => Err(failure),
            Err(failure) => return Err(failure),
        };
        let may_query = match queries {
            Ok(_) => true,
            Err(failure) if failure.kind == Kind::Permission => false,
            Err(failure) => return Err(name(failure, &self.environment)),
        };
        let environment = self.environment.as_str();
        found.push(match &nodes {
            Ok(nodes) => finding("environment", format!("{environment}, with {nodes} nodes"), *nodes > 0),
            Err(_) => finding(
                "environment",
                format!("{environment}: this user needs the level `user` in it to see its nodes"),
                false,
            ),
        });
        found.push(if may_query {
            finding("polling", "allowed: the user has the level `query`".into(), true)
        } else {
            let text = format!("this user needs the level `query` in {environment}");
            finding("polling", text, false)
        });
        let may_expire = self.environment.may_expire(session, &me).await;
        found.push(finding(
            "live queries",
            match (may_query && nodes.is_ok(), may_expire) {
                (false, _) => "not allowed: playbooks need the levels `user` and `query`".into(),
                (true, may_expire) => allowed(may_expire).into(),
            },
            // Polling does not need them.
            true,
        ));
        Ok(found)
    }
}

/// What it means for live queries whether they may be expired.
pub(super) fn allowed(may_expire: bool) -> &'static str {
    if may_expire {
        "allowed, and may be expired"
    } else {
        "allowed; expiring them needs the level `admin`, without which they run out after an hour"
    }
}
