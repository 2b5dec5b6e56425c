//! An osctrl server: live queries, and what there is to watch.
//!
//! The question of a live query is a *distributed query*: agents fetch it when they check in, and their answers are read by polling. osctrl
//! sends a query that selects nobody to everybody, so the nodes are looked up first and selected by uuid, and what the
//! server made of that is read back. A query lives on when nobody listens: it is expired when it is given up.

pub(super) mod answers;
mod distributed_query;
mod follow;

use std::time::Duration;

use serde::Deserialize;

use crate::contract::Failure;
use crate::contract::Finding;
use crate::contract::Services;
use crate::exports::FleetManager;
use crate::live_query::Outcome;
use crate::live_query::query as live_query;
use crate::osctrl::api::OsctrlApi;
use crate::osctrl::environment::Environment;
use crate::osctrl::wire::Me;

/// A node's uuid, in upper case, as osctrl keeps it. Any text: agents can be told what to call themselves.
pub(super) type NodeUuid = String;

pub(super) type LiveQuery<'a, S> = live_query::LiveQuery<'a, S, OsctrlApi>;

/// How long reading the last answers and expiring the query may take when the step's time is up. The host grants a step
/// a little more than this.
const CLOSING: Duration = Duration::from_secs(4);

/// osctrl, and which of its environments.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Osctrl {
    environment: Environment,
}

impl FleetManager for Osctrl {
    type Api = OsctrlApi;

    async fn ask<S: Services>(&self, query: LiveQuery<'_, S>) -> Result<Outcome, Failure> {
        query.services.progress(0, query.names.len(), "looking up the nodes");
        query
            .unless_cancelled(crate::osctrl::nodes::resolve(&query, &self.environment))
            .await?;
        query.tally.borrow().require_hosts()?;
        let nodes = query.tally.borrow().hosts();
        query.tell(0, nodes.len());
        // Not to be interrupted: until its name is known, nobody can end the query.
        let started = distributed_query::start(&query, &self.environment, &nodes).await?;
        follow::to_the_end(&query, &started, &nodes).await?;
        Ok(query.finish())
    }

    async fn check<S: Services>(&self, query: LiveQuery<'_, S>) -> Result<Vec<Finding>, Failure> {
        let session = &query.session;
        let me: Me = session.get("/users/me").await?;
        let mut found = vec![Finding::new("user", me.username.clone(), true)];
        // Looking up the nodes tells, too, whether the environment exists and whether this user may query it.
        crate::osctrl::nodes::resolve(&query, &self.environment).await?;
        let may_expire = self.environment.may_expire(session, &me).await;
        found.push(Finding::new("environment", self.environment.as_str().to_owned(), true));
        found.push(Finding::new(
            "live queries",
            crate::osctrl::connector::allowed(may_expire),
            true,
        ));
        found.extend(query.targets());
        Ok(found)
    }
}
