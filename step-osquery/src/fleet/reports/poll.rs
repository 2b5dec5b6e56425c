//! One poll of the stream.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use futures::lock::Mutex;
use futures::stream;

use super::context::ReportsPoll;
use super::cursor::{PREFIX, key};
use super::list::{list, version};
use super::report::ReportOutcome;
use crate::contract::{Failure, PollServices};
use crate::fleet::api::FleetApi;
use crate::fleet::config::FleetConfig;
use crate::fleet::routes::Routes;
use crate::polling::{Poll, Summary, forget, remember};

/// Present once a first poll has read every report.
const BASELINE: &str = "reports/baseline";

/// Polls once.
pub(crate) async fn poll<S: PollServices>(
    poll: &Poll<'_, S, FleetApi>,
    config: &FleetConfig,
) -> Result<Summary, Failure> {
    let routes = Routes::of(&poll.session).await?;
    let (queries, now) = list(poll, routes, config).await?;
    let reports_poll = ReportsPoll {
        poll,
        routes,
        team: config
            .team_id
            .map(|team| format!("?team_id={team}"))
            .unwrap_or_default(),
        version: version(poll).await,
        first: poll.recall(BASELINE).await.is_none(),
        now,
        all_hostnames: Mutex::new(None),
    };
    let mut reports = stream::iter(&queries)
        .map(|query| reports_poll.report(query))
        .buffer_unordered(poll.options.concurrent_reports.max(1));
    let (mut sent, mut done, mut failed) = (0, 0, Vec::new());
    while let Some(outcome) = reports.next().await {
        done += 1;
        match outcome? {
            ReportOutcome::Read(rows) => sent += rows,
            ReportOutcome::Failed(query, cursor, failure) => failed.push((query, cursor, failure)),
        }
        poll.services.progress(done, queries.len(), "reading reports");
    }
    drop(reports);
    if failed.len() == queries.len()
        && let Some((_, _, failure)) = failed.pop()
    {
        // Then the server is failing, and not the reports.
        return Err(failure);
    }
    let mut failures = Vec::new();
    for (query, cursor, failure) in failed {
        failures.push(format!("the report of `{}` could not be read: {failure}", query.name));
        reports_poll.count_failure(query, *cursor, &failure).await?;
    }
    let listed: BTreeSet<u64> = queries.iter().map(|query| query.id).collect();
    let gone = poll.entries(PREFIX, |id, _| id.parse().ok().filter(|id| !listed.contains(id)));
    let mut changes: Vec<_> = gone.await.into_iter().map(|id: u64| forget(key(id))).collect();
    if reports_poll.first {
        changes.push(remember(BASELINE.to_owned(), &true));
    }
    poll.deliver(&[], changes).await?;
    Ok(Summary {
        message: format!("{} queries, {sent} new rows", queries.len()),
        failures,
    })
}
