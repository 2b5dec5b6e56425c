//! Starting a distributed query for exactly the nodes that were meant, and ending it.

use std::collections::HashSet;

use serde_json::json;

use super::{CLOSING, LiveQuery, NodeUuid};
use crate::contract::{Failure, Kind};
use crate::contract::{Level, Services};
use crate::osctrl::environment::Environment;
use crate::osctrl::wire::{Anything, QueryCreated, QueryShown};

/// When the server drops a query that nobody expired, in hours: its smallest unit. Zero would mean never, or at once.
const EXPIRES_HOURS: u32 = 1;

/// A query on the server, by the paths that lead to it.
pub(super) struct Started {
    /// Shows its counters.
    pub(super) shown: String,
    /// Shows its answers.
    pub(super) results: String,
    expire: String,
    name: String,
}

/// Starts the query for these nodes, which are at least one, and checks that the server selected them and no others.
pub(super) async fn start<S: Services>(
    query: &LiveQuery<'_, S>,
    environment: &Environment,
    nodes: &[NodeUuid],
) -> Result<Started, Failure> {
    // Without a selector, or with one that the server does not know, it would ask the whole environment.
    assert!(!nodes.is_empty(), "the caller has at least one node");
    let body = json!({"query": query.sql, "uuid_list": nodes, "exp_hours": EXPIRES_HOURS});
    let route = format!("/queries/{}", environment.segment());
    let created: QueryCreated = query.session.post(&route, Some(&body)).await.map_err(perhaps_started)?;
    let name = created.query_name;
    let plain = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if name.is_empty() || name.len() > 200 || !plain {
        return Err(perhaps_started(Failure::new(
            Kind::Protocol,
            "osctrl named the query in a way that no path can hold",
        )));
    }
    let started = Started {
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

/// A refusal says that nothing was started; a lost answer does not.
fn perhaps_started(failure: Failure) -> Failure {
    match failure.kind {
        Kind::Timeout | Kind::Protocol | Kind::Unavailable if failure.hint.is_none() => failure.hint(format!(
            "the query may have been started all the same; osctrl drops it after {EXPIRES_HOURS} hour"
        )),
        _ => failure,
    }
}

/// Whether the server made of the request what was meant.
fn check(shown: &QueryShown, nodes: &[NodeUuid]) -> Result<(), Failure> {
    let wrong = |what: String| {
        Err(Failure::new(
            Kind::Protocol,
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

impl Started {
    /// Reads the query's counters and flags.
    pub(super) async fn show<S: Services>(&self, query: &LiveQuery<'_, S>) -> Result<QueryShown, Failure> {
        let shown: QueryShown = query.session.get(&self.shown).await?;
        if shown.id == 0 || shown.name != self.name {
            return Err(Failure::new(
                Kind::Protocol,
                "osctrl does not know the query that it has just started",
            ));
        }
        Ok(shown)
    }

    /// Ends the query: agents that have not fetched it will not get it. A failure is a warning, since what was answered
    /// stands.
    pub(super) async fn expire<S: Services>(&self, query: &LiveQuery<'_, S>) {
        query.session.grant(CLOSING);
        let Err(failure) = query.session.post::<Anything>(&self.expire, None).await else {
            return;
        };
        let why = match failure.kind {
            Kind::Permission => "the user may not; that needs the level `admin` in the environment".to_owned(),
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
