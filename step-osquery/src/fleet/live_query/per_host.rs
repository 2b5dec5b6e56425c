//! The way round a proxy that lets no websocket through: one REST call for each host.

use futures::StreamExt as _;
use futures::stream;
use serde_json::json;

use crate::contract::{Failure, FailureKind, Services};
use crate::fleet::api::{FleetApi, HostId};
use crate::fleet::wire::{HostQuery, row};
use crate::live_query::{Answer, LiveQuery};

/// The number of calls under way at once. Each holds a connection of the server for up to 25 s.
const CONCURRENT: usize = 8;

/// Asks the hosts one by one and counts their answers.
pub(super) async fn run<S: Services>(query: &LiveQuery<'_, S, FleetApi>, hosts: &[HostId]) -> Result<(), Failure> {
    let outcomes: Vec<Result<(), Failure>> = stream::iter(hosts)
        .map(|host| async move {
            match ask(query, *host).await {
                Ok(answer) => query.count(host, answer),
                // The time is up for this host, which is reported as timed out with its own excuse.
                Err(failure) if failure.kind == FailureKind::Timeout => {}
                // The credentials are the same for every host.
                Err(failure) if matches!(failure.kind, FailureKind::Auth | FailureKind::Permission) => {
                    return Err(failure);
                }
                Err(failure) => query.count(host, Answer::Failed(failure.message)),
            }
            Ok(())
        })
        .buffer_unordered(CONCURRENT)
        .collect()
        .await;
    match outcomes.into_iter().find_map(Result::err) {
        Some(failure) if query.tally.borrow().answered() == 0 => Err(failure),
        Some(failure) => {
            for host in query.pending(hosts) {
                query.count(&host, Answer::Failed(failure.message.clone()));
            }
            Ok(())
        }
        None => Ok(()),
    }
}

async fn ask<S: Services>(query: &LiveQuery<'_, S, FleetApi>, host: HostId) -> Result<Answer, Failure> {
    let answer: HostQuery = query
        .session
        .post(&format!("/hosts/{host}/query"), Some(&json!({"query": query.sql})))
        .await?;
    Ok(match answer.error.as_deref() {
        Some("timeout waiting for results") => Answer::TimedOut(
            "did not answer within the time that Fleet waits for a single host (25 s unless configured)".into(),
        ),
        Some("no hosts targeted") => Answer::Failed("this user may not query this host".into()),
        Some("disabled by administrator") => Answer::Failed("live queries are switched off in Fleet's settings".into()),
        Some("") => Answer::Failed("the query failed on this host, and its agent did not say why".into()),
        Some(error) => Answer::Failed(error.to_owned()),
        None if answer.status == "offline" => Answer::TimedOut("offline when it was asked".into()),
        None => Answer::Rows(answer.rows.unwrap_or_default().into_iter().map(row).collect()),
    })
}
