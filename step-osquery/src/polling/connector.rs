//! The interface of a connector to polls.

use serde::de::DeserializeOwned;

use super::poll::{Poll, Summary};
use crate::contract::{Failure, Finding, PollServices, Services};
use crate::server::{Api, Session};

/// A connector to a system: parses the config that only it has, and polls its streams.
#[allow(async_fn_in_trait, reason = "a guest has one thread")]
pub(crate) trait Connector: DeserializeOwned {
    /// The name that connector files use.
    const NAME: &'static str;
    /// The product, as events name it.
    const PRODUCT: &'static str;
    /// One line for people.
    const SUMMARY: &'static str;
    /// JSON Schema of `config`.
    const CONFIG_SCHEMA: &'static str;
    /// JSON Schema of `connector_config`.
    const OPTIONS_SCHEMA: &'static str;
    /// The streams, each with a line for people.
    const STREAMS: &'static [(&'static str, &'static str)];
    /// Its API.
    type Api: Api;

    /// Tests a connection.
    async fn check<S: Services>(&self, session: &Session<'_, S, Self::Api>) -> Result<Vec<Finding>, Failure>;

    /// Polls a stream once.
    async fn poll<S: PollServices>(&self, stream: &str, poll: &Poll<'_, S, Self::Api>) -> Result<Summary, Failure>;
}
