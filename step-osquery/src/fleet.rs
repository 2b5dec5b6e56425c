//! Live queries through a Fleet server.
//!
//! The hosts are looked up first and asked by id, since Fleet drops names it does not know without a word. The question is
//! a *campaign*: it lives as long as the websocket on which the answers arrive, and closing that is the only way to stop it.

mod campaign;
mod hosts;
mod per_host;
mod session;
mod wire;

use std::cell::RefCell;

use futures::StreamExt as _;
use futures::stream;

use self::campaign::Ended;
use self::session::{Routes, Session};
use crate::failure::Failure;
use crate::params::Params;
use crate::services::{Deadline, Level, Services};
use crate::tally::{Answer, Outcome, Tally};

/// Fleet's id of a host.
type HostId = u64;

/// Hosts asked in one campaign. Fleet inserts a campaign's targets one by one, so thousands of them make it slow to start.
const CHUNK: usize = 500;

/// Campaigns under way at once: all of the largest target list the schema accepts.
const CAMPAIGNS: usize = 20;

/// What the parts of a live query share.
struct LiveQuery<'a, S> {
    session: Session<'a, S>,
    services: &'a S,
    sql: &'a str,
    deadline: Deadline,
    tally: RefCell<Tally<HostId>>,
}

impl<S: Services> LiveQuery<'_, S> {
    /// Counts an answer and tells how far we are.
    fn count(&self, host: HostId, answer: Answer) {
        let mut tally = self.tally.borrow_mut();
        if tally.answer(&host, answer) {
            let (answered, asked) = (tally.answered(), tally.asked());
            self.services
                .progress(answered, asked, &format!("{answered} of {asked} hosts answered"));
        } else if !tally.knows(&host) {
            self.services.log(
                Level::Debug,
                &format!("dropped an answer of host {host}, which was not asked"),
            );
        }
    }

    /// Whether any of these hosts has yet to answer.
    fn awaits_any(&self, hosts: &[HostId]) -> bool {
        let tally = self.tally.borrow();
        hosts.iter().any(|host| tally.awaits(host))
    }

    /// Which of these hosts have yet to answer.
    fn pending(&self, hosts: &[HostId]) -> Vec<HostId> {
        let tally = self.tally.borrow();
        hosts.iter().copied().filter(|host| tally.awaits(host)).collect()
    }
}

/// One campaign, with the hosts it was for.
async fn ask<'h, S: Services>(query: &LiveQuery<'_, S>, routes: Routes, hosts: &'h [HostId]) -> (&'h [HostId], Ended) {
    (hosts, campaign::run(query, routes, hosts).await)
}

/// Runs the query and waits for the answers until the deadline.
pub(crate) async fn run<S: Services>(services: &S, params: &Params, deadline: Deadline) -> Result<Outcome, Failure> {
    let query = LiveQuery {
        session: Session::new(services, &params.base_url, &params.credentials, deadline),
        services,
        sql: params.sql.as_str(),
        deadline,
        tally: RefCell::new(Tally::new(&params.targets)),
    };
    services.progress(0, params.targets.names().len(), "looking up the hosts");
    // A first call alone, so that a wrong address or token is one failure and not many.
    let routes = query.session.routes().await?;
    hosts::resolve(&query, params.targets.names()).await?;
    query.tally.borrow().require_hosts()?;
    let (targets, asked) = (query.tally.borrow().hosts(), query.tally.borrow().asked());
    services.progress(0, asked, &format!("0 of {asked} hosts answered"));

    let ends: Vec<(&[HostId], Ended)> = stream::iter(targets.chunks(CHUNK))
        .map(|chunk| ask(&query, routes, chunk))
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
                    query.count(host, Answer::Failed(failure.message.clone()));
                }
            }
        }
    }
    if let Some((status, _)) = blocked.first() {
        let hosts: Vec<HostId> = blocked.iter().flat_map(|(_, chunk)| chunk.iter().copied()).collect();
        services.log(
            Level::Warn,
            &format!(
                "the websocket was refused with status {status} (a proxy that does not pass Upgrade?); \
                 asking the {} hosts one by one, which Fleet limits to 25 s each",
                hosts.len()
            ),
        );
        per_host::run(&query, &hosts).await?;
    }
    Ok(query.tally.into_inner().finish())
}
