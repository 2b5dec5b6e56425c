//! The hostnames of hosts in reports, which have display names only.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use futures::lock::Mutex;
use futures::stream::{self, StreamExt as _};

use crate::contract::Feeds;
use crate::contract::{Failure, Kind};
use crate::exports::connectors as connector;
use crate::fleet::api::FleetApi;
use crate::fleet::hosts::{HOST, Remembered};
use crate::fleet::pages::{self, PAGE};
use crate::fleet::wire::{Host, HostRead};

type Poll<'a, S> = connector::Poll<'a, S, FleetApi>;

/// Hosts that are looked up one by one; of more, all pages of hosts are read.
const FEW: usize = 20;

/// Lookups under way at once.
const CONCURRENT: usize = 4;

/// Hostnames as far as a poll has needed them.
#[derive(Default)]
pub(super) struct Names {
    /// Those of all hosts, once they were read.
    all: Mutex<Option<Rc<HashMap<u64, String>>>>,
}

impl Names {
    /// The hostnames of these hosts. The stream of hosts remembers those that it has seen; a host that is gone, or has no
    /// hostname, has no entry.
    pub(super) async fn of<S: Feeds>(
        &self,
        poll: &Poll<'_, S>,
        hosts: impl Iterator<Item = u64>,
    ) -> Result<BTreeMap<u64, String>, Failure> {
        let hosts: Vec<u64> = hosts.collect();
        let keys = hosts.iter().map(|id| format!("{HOST}{id}")).collect();
        let remembered = poll.services.recall(keys).await;
        let (mut names, mut unknown) = (BTreeMap::new(), Vec::new());
        for (id, text) in hosts.into_iter().zip(remembered) {
            match text.and_then(|text| serde_json::from_str::<Remembered>(&text).ok()) {
                Some(host) => {
                    names.insert(id, host.name.into());
                }
                None => unknown.push(id),
            }
        }
        if unknown.len() <= FEW {
            let session = &poll.session;
            let mut lookups = stream::iter(unknown)
                .map(|id| async move { (id, session.get::<HostRead>(&format!("/hosts/{id}")).await) })
                .buffer_unordered(CONCURRENT);
            while let Some((id, found)) = lookups.next().await {
                match found {
                    Ok(read) => {
                        let host: Host = serde_json::from_str(read.host.get()).unwrap_or_default();
                        names.insert(id, host.hostname);
                    }
                    Err(failure) if matches!(failure.kind, Kind::NotFound | Kind::Permission) => {}
                    Err(failure) => return Err(failure),
                }
            }
        } else {
            let all = self.all(poll).await?;
            names.extend(unknown.into_iter().filter_map(|id| Some((id, all.get(&id)?.clone()))));
        }
        names.retain(|_, name: &mut String| !name.is_empty());
        Ok(names)
    }

    async fn all<S: Feeds>(&self, poll: &Poll<'_, S>) -> Result<Rc<HashMap<u64, String>>, Failure> {
        let mut all = self.all.lock().await;
        if let Some(all) = &*all {
            return Ok(all.clone());
        }
        let mut names = HashMap::new();
        for number in 0.. {
            let page = pages::require::<_, Host>(&poll.session, number, "").await?;
            let last = page.hosts.len() < PAGE;
            names.extend(page.hosts.into_iter().map(|host| (host.id, host.hostname)));
            if last {
                break;
            }
        }
        Ok(all.insert(Rc::new(names)).clone())
    }
}
