//! A Fleet server: live queries, and what there is to watch.
//!
//! The hosts of a live query are looked up first and asked by id, since Fleet drops names it does not know without a word. The question is
//! a *campaign*: it lives as long as the websocket on which the answers arrive, and closing that is the only way to stop it.

mod campaign;
mod per_host;
mod resolve;

use futures::StreamExt as _;
use futures::stream;
use serde::Deserialize;

use self::campaign::Ended;
use crate::contract::Failure;
use crate::contract::Finding;
use crate::contract::{Level, Services};
use crate::exports::FleetManager;
use crate::fleet::access::{self, Access};
use crate::fleet::api::{FleetApi, Routes};
use crate::live_query::query as live_query;
use crate::live_query::{Answer, Outcome};

/// Fleet's id of a host.
type HostId = u64;

type LiveQuery<'a, S> = live_query::LiveQuery<'a, S, FleetApi>;

/// Hosts asked in one campaign. Fleet inserts a campaign's targets one by one, so thousands of them make it slow to start.
const CHUNK: usize = 500;

/// Campaigns under way at once: all of the largest target list the schema accepts.
const CAMPAIGNS: usize = 20;

/// `FleetDM`. It has no params of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {}

impl FleetManager for Fleet {
    type Api = FleetApi;

    async fn ask<S: Services>(&self, query: LiveQuery<'_, S>) -> Result<Outcome, Failure> {
        // Dropping the campaigns closes their sockets, which is what stops them on the server.
        query.unless_cancelled(ask_all(&query)).await?;
        Ok(query.finish())
    }

    async fn check<S: Services>(&self, query: LiveQuery<'_, S>) -> Result<Vec<Finding>, Failure> {
        let session = &query.session;
        let access = Access::of(session, None).await?;
        let mut found = vec![access.user(), access::version(session).await, access.live_queries()];
        resolve::resolve(&query).await?;
        found.extend(query.targets());
        Ok(found)
    }
}

/// Runs the query and waits for the answers until the deadline.
async fn ask_all<S: Services>(query: &LiveQuery<'_, S>) -> Result<(), Failure> {
    query.services.progress(0, query.names.len(), "looking up the hosts");
    // A first call alone, so that a wrong address or token is one failure and not many.
    let routes = Routes::of(&query.session).await?;
    resolve::resolve(query).await?;
    query.tally.borrow().require_hosts()?;
    let (targets, asked) = (query.tally.borrow().hosts(), query.tally.borrow().asked());
    query.tell(0, asked);

    let ends: Vec<(&[HostId], Ended)> = stream::iter(targets.chunks(CHUNK))
        .map(|chunk| ask(query, routes, chunk))
        .buffer_unordered(CAMPAIGNS)
        .collect()
        .await;
    let mut blocked = Vec::new();
    for (chunk, end) in ends {
        match end {
            Ended::Complete => {}
            Ended::Blocked(status) => blocked.push((status, chunk)),
            Ended::Failed(failure) => {
                // What other hosts have said is kept; with nothing to keep, the failure is the step's.
                if query.tally.borrow().answered() == 0 {
                    return Err(failure);
                }
                for host in query.pending(chunk) {
                    query.count(&host, Answer::Failed(failure.message.clone()));
                }
            }
        }
    }
    if let Some((status, _)) = blocked.first() {
        let hosts: Vec<HostId> = blocked.iter().flat_map(|(_, chunk)| chunk.iter().copied()).collect();
        query.services.log(
            Level::Warn,
            &format!(
                "the websocket was refused with status {status} (a proxy that does not pass Upgrade?); \
                 asking the {} hosts one by one, which Fleet limits to 25 s each",
                hosts.len()
            ),
        );
        per_host::run(query, &hosts).await?;
    }
    Ok(())
}

/// One campaign, with the hosts it was for.
async fn ask<'h, S: Services>(query: &LiveQuery<'_, S>, routes: Routes, hosts: &'h [HostId]) -> (&'h [HostId], Ended) {
    (hosts, campaign::run(query, routes, hosts).await)
}
