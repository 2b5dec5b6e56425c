//! One poll of the stream.

use std::collections::{HashMap, HashSet};

use super::scan::Scan;
use crate::contract::{Failure, PollServices};
use crate::fleet::api::FleetApi;
use crate::fleet::config::FleetConfig;
use crate::fleet::pages::{self, PAGE_SIZE};
use crate::fleet::posture::{self, Posture};
use crate::fleet::wire::Host;
use crate::polling::{Initial, Poll, Summary, remember};

/// Present once a first poll has seen every host.
const BASELINE: &str = "hosts/baseline";

/// Polls once.
pub(crate) async fn poll<S: PollServices>(
    poll: &Poll<'_, S, FleetApi>,
    config: &FleetConfig,
) -> Result<Summary, Failure> {
    let filter = config.team_filter();
    let missing = missing(poll, &filter).await?;
    let known = poll.entries(posture::PREFIX, |id, value| {
        let posture: Posture = serde_json::from_str(&value).ok()?;
        Some((id.parse().ok()?, posture))
    });
    let known: HashMap<u64, Posture> = known.await.into_iter().collect();
    let had_baseline = poll.recall(BASELINE).await.is_some();
    let quiet = !had_baseline && poll.options.initial == Initial::Skip;
    let mut scan = Scan::begin(poll, missing, known, quiet);
    let mut failures = scan.pages(&filter).await?;
    if failures.is_empty() {
        failures.extend(scan.look_up_unseen(config).await?);
        if !had_baseline {
            poll.deliver(&[], vec![remember(BASELINE.to_owned(), &true)]).await?;
        }
    }
    scan.unknown_statuses().notify(poll).await?;
    let (seen, changed) = scan.counts();
    Ok(Summary {
        message: format!("{seen} hosts, {changed} changed"),
        failures,
    })
}

/// Reads which hosts have not been seen for long. Their own status is `offline`.
async fn missing<S: PollServices>(poll: &Poll<'_, S, FleetApi>, filter: &str) -> Result<HashSet<u64>, Failure> {
    let mut missing = HashSet::new();
    for number in 0.. {
        let filter = format!("&status=missing{filter}");
        let page = pages::require::<_, Host>(&poll.session, number, &filter).await?;
        let last = page.hosts.len() < PAGE_SIZE;
        missing.extend(page.hosts.iter().map(|host| host.id));
        if last {
            break;
        }
    }
    Ok(missing)
}
