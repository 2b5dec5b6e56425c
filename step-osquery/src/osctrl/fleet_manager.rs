//! The fleet manager `osctrl`, as live queries ask it.

use serde::Deserialize;

use super::access;
use super::api::OsctrlApi;
use super::environment::Environment;
use super::live_query;
use super::wire::Me;
use crate::contract::{Failure, Finding, Services};
use crate::live_query::{FleetManager, LiveQuery, Outcome};

/// An environment of an osctrl server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Osctrl {
    environment: Environment,
}

impl FleetManager for Osctrl {
    type Api = OsctrlApi;

    async fn ask<S: Services>(&self, query: LiveQuery<'_, S, OsctrlApi>) -> Result<Outcome, Failure> {
        query.services.progress(0, query.names.len(), "looking up the nodes");
        query
            .unless_cancelled(live_query::resolve(&query, &self.environment))
            .await?;
        query.require_hosts()?;
        let nodes = query.tally.borrow().hosts();
        query.report_progress(0, nodes.len());
        // Starting is not interrupted: until the name of the query is known, it cannot be ended.
        let started = live_query::start(&query, &self.environment, &nodes).await?;
        live_query::follow(&query, &started, &nodes).await?;
        Ok(query.finish())
    }

    async fn check<S: Services>(&self, query: LiveQuery<'_, S, OsctrlApi>) -> Result<Vec<Finding>, Failure> {
        let session = &query.session;
        let me: Me = session.get("/users/me").await?;
        let mut found = vec![Finding::new("user", me.username.clone(), true)];
        // Looking up the nodes also finds out whether the environment exists and whether this user may query it.
        live_query::resolve(&query, &self.environment).await?;
        let may_expire = access::may_expire(session, &self.environment, &me).await;
        found.push(Finding::new("environment", self.environment.as_str().to_owned(), true));
        found.push(Finding::new("live queries", access::live_queries(may_expire), true));
        found.extend(query.target_findings());
        Ok(found)
    }
}
