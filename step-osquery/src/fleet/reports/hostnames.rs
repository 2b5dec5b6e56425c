//! The hostnames of hosts in reports, which hold display names only.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use futures::stream::{self, StreamExt as _};

use super::context::ReportsPoll;
use crate::contract::{Failure, FailureKind, PollServices};
use crate::fleet::api::FleetApi;
use crate::fleet::pages::{self, PAGE_SIZE};
use crate::fleet::posture::{self, Posture};
use crate::fleet::wire::{Host, HostRead};
use crate::polling::Poll;

/// Up to this many hosts are looked up one by one; for more, all pages of hosts are read.
const FEW: usize = 20;

/// The number of lookups under way at once.
const CONCURRENT: usize = 4;

impl<S: PollServices> ReportsPoll<'_, '_, S> {
    /// Returns the hostnames of these hosts. The stream `hosts` remembers those of the hosts that it has seen; a host
    /// that is gone, or has no hostname, has no entry.
    pub(super) async fn hostnames(&self, hosts: impl Iterator<Item = u64>) -> Result<BTreeMap<u64, String>, Failure> {
        let hosts: Vec<u64> = hosts.collect();
        let keys = hosts.iter().map(|id| posture::key(*id)).collect();
        let remembered = self.poll.services.recall(keys).await;
        let (mut names, mut unknown) = (BTreeMap::new(), Vec::new());
        for (id, text) in hosts.into_iter().zip(remembered) {
            match text.and_then(|text| serde_json::from_str::<Posture>(&text).ok()) {
                Some(posture) => {
                    names.insert(id, posture.name.into());
                }
                None => unknown.push(id),
            }
        }
        if unknown.len() <= FEW {
            look_up(self.poll, unknown, &mut names).await?;
        } else {
            let all = self.all_hostnames().await?;
            names.extend(unknown.into_iter().filter_map(|id| Some((id, all.get(&id)?.clone()))));
        }
        names.retain(|_, name: &mut String| !name.is_empty());
        Ok(names)
    }

    /// Returns the hostnames of all hosts, which are read once.
    async fn all_hostnames(&self) -> Result<Rc<HashMap<u64, String>>, Failure> {
        let mut all = self.all_hostnames.lock().await;
        if let Some(all) = &*all {
            return Ok(all.clone());
        }
        let mut names = HashMap::new();
        for number in 0.. {
            let page = pages::require::<_, Host>(&self.poll.session, number, "").await?;
            let last = page.hosts.len() < PAGE_SIZE;
            names.extend(page.hosts.into_iter().map(|host| (host.id, host.hostname)));
            if last {
                break;
            }
        }
        Ok(all.insert(Rc::new(names)).clone())
    }
}

/// Looks up hosts one by one.
async fn look_up<S: PollServices>(
    poll: &Poll<'_, S, FleetApi>,
    hosts: Vec<u64>,
    names: &mut BTreeMap<u64, String>,
) -> Result<(), Failure> {
    let session = &poll.session;
    let mut lookups = stream::iter(hosts)
        .map(|id| async move { (id, session.get::<HostRead>(&format!("/hosts/{id}")).await) })
        .buffer_unordered(CONCURRENT);
    while let Some((id, found)) = lookups.next().await {
        match found {
            Ok(read) => {
                let host: Host = serde_json::from_str(read.host.get()).unwrap_or_default();
                names.insert(id, host.hostname);
            }
            Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::Permission) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}
