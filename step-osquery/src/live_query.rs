//! The step `osquery_live_query`.

use std::pin::pin;

use futures::future::{Either, select};

use crate::failure::{Failure, Kind};
use crate::fleet;
use crate::params::{Backend, Params};
use crate::services::{Deadline, Services};
use crate::tally::Outcome;

/// The name that playbooks use.
pub const NAME: &str = "osquery_live_query";

/// One line for people.
pub const SUMMARY: &str =
    "Runs a vetted osquery statement on the given hosts, through FleetDM, and returns rows for each host";

/// JSON Schema of the params.
pub const PARAMS_SCHEMA: &str = include_str!("../../schemas/osquery_live_query.params.schema.json");

/// JSON Schema of the result.
pub const RESULT_SCHEMA: &str = include_str!("../../schemas/osquery_live_query.result.schema.json");

/// Runs the step. Params are checked completely before anything is sent.
pub async fn run<S: Services>(services: &S, params: &str) -> Result<Outcome, Failure> {
    let params = Params::parse(params, services.now())?;
    let deadline = Deadline::after(services, params.timeout.duration());
    let asking = async {
        match params.backend {
            Backend::Fleetdm => fleet::run(services, &params, deadline).await,
        }
    };
    // Dropping the query closes its connections, which is what stops it on the server.
    match select(pin!(asking), pin!(services.cancellation())).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Err(Failure::new(Kind::Cancelled, "the step was asked to stop")),
    }
}
