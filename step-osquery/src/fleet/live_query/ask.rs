//! Asks all targets.

use futures::StreamExt as _;
use futures::stream;

use super::campaign::{self, Ended};
use super::per_host;
use super::resolve::resolve;
use crate::contract::{Failure, Level, Services};
use crate::fleet::api::{FleetApi, HostId};
use crate::fleet::routes::Routes;
use crate::live_query::{Answer, LiveQuery};

/// The number of hosts asked in one campaign. Fleet inserts a campaign's targets one by one, so thousands of them make
/// it slow to start.
const CHUNK: usize = 500;

/// The number of campaigns under way at once: enough for the longest target list that the schema accepts.
const CAMPAIGNS: usize = 20;

/// Runs the query and waits for the answers until the deadline.
pub(crate) async fn ask<S: Services>(query: &LiveQuery<'_, S, FleetApi>) -> Result<(), Failure> {
    query.services.progress(0, query.names.len(), "looking up the hosts");
    // A first call alone, so that a wrong address or token is one failure and not many.
    let routes = Routes::of(&query.session).await?;
    resolve(query).await?;
    query.require_hosts()?;
    let (targets, asked) = (query.tally.borrow().hosts(), query.tally.borrow().asked());
    query.report_progress(0, asked);

    let ends: Vec<(&[HostId], Ended)> = stream::iter(targets.chunks(CHUNK))
        .map(|chunk| campaign_of(query, routes, chunk))
        .buffer_unordered(CAMPAIGNS)
        .collect()
        .await;
    let mut blocked = Vec::new();
    for (chunk, end) in ends {
        match end {
            Ended::Complete => {}
            Ended::Blocked(status) => blocked.push((status, chunk)),
            Ended::Failed(failure) => {
                // The answers of other hosts are kept; without any, the failure is the step's.
                if query.tally.borrow().answered() == 0 {
                    return Err(failure);
                }
                for host in query.pending(chunk) {
                    query.count(&host, Answer::Failed(failure.message.clone()));
                }
            }
        }
    }
    match blocked.first() {
        Some((status, _)) => {
            let hosts: Vec<HostId> = blocked.iter().flat_map(|(_, chunk)| chunk.iter().copied()).collect();
            warn_of_blocked_websocket(query, *status, hosts.len());
            per_host::run(query, &hosts).await
        }
        None => Ok(()),
    }
}

fn warn_of_blocked_websocket<S: Services>(query: &LiveQuery<'_, S, FleetApi>, status: u16, hosts: usize) {
    query.services.log(
        Level::Warn,
        &format!(
            "the websocket was refused with status {status} (a proxy that does not pass Upgrade?); \
             asking the {hosts} hosts one by one, which Fleet limits to 25 s each"
        ),
    );
}

/// Runs one campaign, and returns how it ended for these hosts.
async fn campaign_of<'h, S: Services>(
    query: &LiveQuery<'_, S, FleetApi>,
    routes: Routes,
    hosts: &'h [HostId],
) -> (&'h [HostId], Ended) {
    (hosts, campaign::run(query, routes, hosts).await)
}
