//! The interface of a fleet manager to live queries.

use serde::de::DeserializeOwned;

use super::answer::Outcome;
use super::query::LiveQuery;
use crate::contract::{Failure, Finding, Services};
use crate::server::Api;

/// A fleet manager: parses the params that only it has, and asks its hosts.
#[allow(async_fn_in_trait, reason = "a guest has one thread")]
pub(crate) trait FleetManager: DeserializeOwned {
    /// Its API.
    type Api: Api;

    /// Asks the targets and accounts for each of them. Whichever way this ends, cancellation included, nothing keeps
    /// running on the server that can be stopped.
    async fn ask<S: Services>(&self, query: LiveQuery<'_, S, Self::Api>) -> Result<Outcome, Failure>;

    /// Checks whether the targets could be asked, and asks none of them.
    async fn check<S: Services>(&self, query: LiveQuery<'_, S, Self::Api>) -> Result<Vec<Finding>, Failure>;
}
