//! The fleet manager `fleetdm`, as live queries ask it.

use serde::Deserialize;

use super::access::{self, Access};
use super::api::FleetApi;
use super::live_query;
use crate::contract::{Failure, Finding, Services};
use crate::live_query::{FleetManager, LiveQuery, Outcome};

/// `FleetDM`, which has no params of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {}

impl FleetManager for Fleet {
    type Api = FleetApi;

    async fn ask<S: Services>(&self, query: LiveQuery<'_, S, FleetApi>) -> Result<Outcome, Failure> {
        // Dropping the campaigns closes their sockets, which is what stops them on the server.
        query.unless_cancelled(live_query::ask(&query)).await?;
        Ok(query.finish())
    }

    async fn check<S: Services>(&self, query: LiveQuery<'_, S, FleetApi>) -> Result<Vec<Finding>, Failure> {
        let session = &query.session;
        let access = Access::of(session, None).await?;
        let mut found = vec![access.user(), access::version(session).await, access.live_queries()];
        live_query::resolve(&query).await?;
        found.extend(query.target_findings());
        Ok(found)
    }
}
