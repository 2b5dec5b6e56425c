//! Starts a distributed query for exactly the nodes that were meant, and ends it.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use crate::contract::{Failure, FailureKind, Level, Services};
use crate::live_query::LiveQuery;
use crate::osctrl::api::OsctrlApi;
use crate::osctrl::environment::Environment;
use crate::osctrl::node_uuid::NodeUuid;
use crate::osctrl::wire::{QueryCreated, QueryShown};
use crate::server::StatusOnly;

/// The time that reading the last answers and expiring the query may take when the step's time is up. The host grants a
/// step a little more than this.
pub(super) const CLOSING: Duration = Duration::from_secs(4);

/// The time after which the server drops a query that nobody expired, in hours, its smallest unit. Zero would mean
/// never, or at once.
const EXPIRES_HOURS: u32 = 1;

/// A query on the server, by the paths that lead to it.
pub(crate) struct DistributedQuery {
    /// The route of its counters.
    shown: String,
    /// The route of its answers.
    pub(super) results: String,
    expire: String,
    name: String,
}

/// Starts the query for these nodes, which are at least one, and checks that the server selected them and no others.
pub(crate) async fn start<S: Services>(
    query: &LiveQuery<'_, S, OsctrlApi>,
    environment: &Environment,
    nodes: &[NodeUuid],
) -> Result<DistributedQuery, Failure> {
    // Without a selector, or with an unknown one, the server would ask the whole environment.
    assert!(!nodes.is_empty(), "the caller has at least one node");
    let body = json!({"query": query.sql, "uuid_list": nodes, "exp_hours": EXPIRES_HOURS});
    let route = format!("/queries/{}", environment.segment());
    let created: QueryCreated = query.session.post(&route, Some(&body)).await.map_err(perhaps_started)?;
    let name = created.query_name;
    if !is_plain(&name) {
        return Err(perhaps_started(Failure::new(
            FailureKind::Protocol,
            "osctrl named the query in a way that no path can hold",
        )));
    }
    let started = DistributedQuery {
        shown: format!("{route}/{name}"),
        results: format!("{route}/results/{name}"),
        expire: format!("{route}/expire/{name}"),
        name,
    };
    match query
        .unless_cancelled(started.show(query))
        .await
        .and_then(|shown| check(&shown, nodes))
    {
        Ok(()) => Ok(started),
        Err(failure) => {
            started.expire(query).await;
            Err(failure)
        }
    }
}

/// Returns true if a path can hold this name.
fn is_plain(name: &str) -> bool {
    let plain = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    !name.is_empty() && name.len() <= 200 && plain
}

/// Adds a hint to a failure after which the query may be running: unlike a refusal, a lost answer leaves that open.
fn perhaps_started(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::Timeout | FailureKind::Protocol | FailureKind::Unavailable if failure.hint.is_none() => failure
            .hint(format!(
                "the query may have been started all the same; osctrl drops it after {EXPIRES_HOURS} hour"
            )),
        _ => failure,
    }
}

/// Checks that the server selected the nodes that were meant.
fn check(shown: &QueryShown, nodes: &[NodeUuid]) -> Result<(), Failure> {
    let wrong = |what: String| {
        Err(Failure::new(
            FailureKind::Protocol,
            format!("osctrl did not select the hosts it was asked to: {what}; the query was given up"),
        )
        .hint("nothing that was answered is used. Report this with the version of osctrl"))
    };
    let meant: HashSet<&str> = nodes.iter().map(String::as_str).collect();
    let mut targets = shown.targets.iter().flatten();
    if let Some(target) =
        targets.find(|target| target.kind != "uuid" || !meant.contains(target.value.to_uppercase().as_str()))
    {
        let value: String = target.value.chars().take(100).collect();
        return wrong(format!("it targets the {} `{value}`", target.kind));
    }
    if shown.expected != nodes.len() {
        return wrong(format!(
            "{} were meant, and {} are expected to answer",
            nodes.len(),
            shown.expected
        ));
    }
    Ok(())
}

impl DistributedQuery {
    /// Reads the query's counters and flags.
    pub(super) async fn show<S: Services>(&self, query: &LiveQuery<'_, S, OsctrlApi>) -> Result<QueryShown, Failure> {
        let shown: QueryShown = query.session.get(&self.shown).await?;
        if shown.id == 0 || shown.name != self.name {
            return Err(Failure::new(
                FailureKind::Protocol,
                "osctrl does not know the query that it has just started",
            ));
        }
        Ok(shown)
    }

    /// Ends the query: agents that have not fetched it will not get it. A failure is a warning, since the answers that
    /// came are kept.
    pub(super) async fn expire<S: Services>(&self, query: &LiveQuery<'_, S, OsctrlApi>) {
        query.session.grant(CLOSING);
        let Err(failure) = query.session.post::<StatusOnly>(&self.expire, None).await else {
            return;
        };
        let why = match failure.kind {
            FailureKind::Permission => "the user may not; that needs the level `admin` in the environment".to_owned(),
            _ => failure.message,
        };
        query.services.log(
            Level::Warn,
            &format!(
                "the query {} could not be expired ({why}): hosts that check in within {EXPIRES_HOURS} hour still run it",
                self.name
            ),
        );
    }
}
