//! The connector `osctrl`: the answers to the distributed queries of an environment.

use futures::future::join;
use serde::Deserialize;

use super::access;
use super::answers;
use super::api::OsctrlApi;
use super::environment::Environment;
use super::wire::{Me, NodesPage};
use crate::contract::{Failure, FailureKind, Finding, PollServices, Services};
use crate::polling::{Connector, Poll, Summary};
use crate::server::{Session, StatusOnly};

/// The connector to an environment of an osctrl server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OsctrlConnector {
    environment: Environment,
}

impl Connector for OsctrlConnector {
    const NAME: &'static str = "osctrl";
    const PRODUCT: &'static str = "osctrl";
    const SUMMARY: &'static str = "osctrl: answers to the distributed queries of an environment";
    const CONFIG_SCHEMA: &'static str = include_str!("../../../schemas/osctrl.config.schema.json");
    const OPTIONS_SCHEMA: &'static str = include_str!("../../../schemas/osctrl.options.schema.json");
    const STREAMS: &'static [(&'static str, &'static str)] = &[("answers", "rows that nodes answered")];
    type Api = OsctrlApi;

    async fn poll<S: PollServices>(&self, _: &str, poll: &Poll<'_, S, OsctrlApi>) -> Result<Summary, Failure> {
        answers::poll(poll, &self.environment).await
    }

    async fn check<S: Services>(&self, session: &Session<'_, S, OsctrlApi>) -> Result<Vec<Finding>, Failure> {
        let me: Me = session.get("/users/me").await?;
        let (nodes, may_query) = self.try_reading(session).await?;
        let may_expire = access::may_expire(session, &self.environment, &me).await;
        let live_queries = if may_query && nodes.is_some() {
            access::live_queries(may_expire)
        } else {
            "not allowed: playbooks need the levels `user` and `query`"
        };
        Ok(vec![
            Finding::new("user", me.username, true),
            Finding::new("server", "osctrl, which does not tell its version", true),
            self.environment_finding(nodes),
            self.polling_finding(may_query),
            // Polling does not need them.
            Finding::new("live queries", live_queries, true),
        ])
    }
}

impl OsctrlConnector {
    /// Reads the beginning of what polls and live queries read. Returns the number of nodes, if the user may see them,
    /// and whether the user may see queries.
    async fn try_reading<S: Services>(
        &self,
        session: &Session<'_, S, OsctrlApi>,
    ) -> Result<(Option<usize>, bool), Failure> {
        let environment = self.environment.segment();
        let (nodes, queries) = (
            format!("/nodes/{environment}?status=all&page=1&page_size=1"),
            format!("/queries/{environment}/list/all-full?page=1&page_size=1"),
        );
        let (nodes, queries) = join(session.get::<NodesPage>(&nodes), session.get::<StatusOnly>(&queries)).await;
        let nodes = match nodes.map_err(|failure| self.environment.name_in(failure)) {
            Ok(nodes) => Some(nodes.total_items),
            Err(failure) if failure.kind == FailureKind::Permission => None,
            Err(failure) => return Err(failure),
        };
        let may_query = match queries {
            Ok(_) => true,
            Err(failure) if failure.kind == FailureKind::Permission => false,
            Err(failure) => return Err(self.environment.name_in(failure)),
        };
        Ok((nodes, may_query))
    }

    fn environment_finding(&self, nodes: Option<usize>) -> Finding {
        let environment = self.environment.as_str();
        match nodes {
            Some(nodes) => Finding::new("environment", format!("{environment}, with {nodes} nodes"), nodes > 0),
            None => Finding::new(
                "environment",
                format!("{environment}: this user needs the level `user` in it to see its nodes"),
                false,
            ),
        }
    }

    fn polling_finding(&self, may_query: bool) -> Finding {
        if may_query {
            Finding::new("polling", "allowed: the user has the level `query`", true)
        } else {
            let text = format!("this user needs the level `query` in {}", self.environment.as_str());
            Finding::new("polling", text, false)
        }
    }
}
