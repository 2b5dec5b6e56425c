//! Finds the hosts that the names in a playbook mean.

use std::collections::{HashMap, HashSet};

use futures::StreamExt as _;
use futures::stream::{self, TryStreamExt as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::contract::{Failure, Services};
use crate::fleet::api::FleetApi;
use crate::fleet::pages::{self, PAGE_SIZE};
use crate::fleet::wire::{Host, HostsCount};
use crate::live_query::{LiveQuery, Sighting, ambiguous};
use crate::server::Session;

/// The characters that a query value holds unescaped.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Up to this many names, each is searched for; it is never much slower than asking how many hosts there are.
const FEW: usize = 10;

/// The number of pages or searches under way at once.
const CONCURRENT: usize = 8;

/// Platforms that are managed by other means and never run a query, although newer servers count them as online.
const SILENT_PLATFORMS: [&str; 3] = ["ios", "ipados", "android"];

/// Finds the host of each name. A name that means no host, or several, is refused.
pub(crate) async fn resolve<S: Services>(query: &LiveQuery<'_, S, FleetApi>) -> Result<(), Failure> {
    let (session, names) = (&query.session, query.names);
    let hosts = if names.len() <= FEW || names.len() <= pages(session).await? {
        search(session, names).await?
    } else {
        whole_fleet(session).await?
    };
    let by_name = by_name(&hosts);
    let mut tally = query.tally.borrow_mut();
    for (index, name) in names.iter().enumerate() {
        match host_of(by_name.get(&name.to_lowercase()).map_or(&[], Vec::as_slice)) {
            Ok(host) => tally.resolve(index, host.id, sighting(host)),
            Err(reason) => tally.refuse(index, reason),
        }
    }
    let online = hosts
        .iter()
        .filter(|host| host.status == "online" && tally.knows(&host.id));
    let online: HashSet<u64> = online.map(|host| host.id).collect();
    tally.found_online(online.len());
    Ok(())
}

/// Returns the names of a host, some of which may be equal or empty.
fn names(host: &Host) -> [&String; 5] {
    [
        &host.hostname,
        &host.uuid,
        &host.hardware_serial,
        &host.display_name,
        &host.computer_name,
    ]
}

fn by_name(hosts: &[Host]) -> HashMap<String, Vec<&Host>> {
    let mut by_name: HashMap<String, Vec<&Host>> = HashMap::new();
    for host in hosts {
        for name in names(host).into_iter().filter(|name| !name.is_empty()) {
            let found = by_name.entry(name.to_lowercase()).or_default();
            if !found.iter().any(|known| known.id == host.id) {
                found.push(host);
            }
        }
    }
    by_name
}

/// Returns the host that a name means, or the reason why it cannot be asked.
fn host_of<'h>(found: &[&'h Host]) -> Result<&'h Host, String> {
    match found {
        [] => Err("Fleet has no host with this name, or this user may not see it".into()),
        [host] if SILENT_PLATFORMS.contains(&host.platform.as_str()) => Err(format!(
            "hosts of the platform {} never answer live queries",
            host.platform
        )),
        [host] => Ok(host),
        several => Err(ambiguous(several, |host| {
            format!("{} (uuid {}, id {})", host.display_name, host.uuid, host.id)
        })),
    }
}

fn sighting(host: &Host) -> Sighting {
    if host.status == "offline" {
        Sighting {
            state: format!("host {}, offline, last seen {}", host.id, host.seen_time),
            excuse: format!("offline when the query started, last seen {}", host.seen_time),
        }
    } else {
        Sighting {
            state: format!("host {}, {}", host.id, host.status),
            excuse: "online when the query started, but did not answer in time".into(),
        }
    }
}

/// Returns how many pages the whole fleet has.
async fn pages<S: Services>(session: &Session<'_, S, FleetApi>) -> Result<usize, Failure> {
    let count: HostsCount = session.get("/hosts/count").await?;
    Ok(count.count.div_ceil(PAGE_SIZE).max(1))
}

/// Searches for the hosts of these names. Fleet searches within names, so those that only contain one are dropped.
async fn search<S: Services>(session: &Session<'_, S, FleetApi>, names: &[String]) -> Result<Vec<Host>, Failure> {
    let found: Vec<Vec<Host>> = stream::iter(names)
        .map(|name| async move {
            let filter = format!("&query={}", utf8_percent_encode(name, QUERY));
            let mut found = Vec::new();
            for number in 0.. {
                let page = pages::require::<_, Host>(session, number, &filter).await?;
                let last = page.hosts.len() < PAGE_SIZE;
                found.extend(page.hosts.into_iter().filter(|host| is_named(host, name)));
                if last {
                    break;
                }
            }
            Ok::<_, Failure>(found)
        })
        .buffer_unordered(CONCURRENT)
        .try_collect()
        .await?;
    Ok(unique(found))
}

/// Reads all hosts. A host that enrols meanwhile may shift the pages, so they are read until one is short.
async fn whole_fleet<S: Services>(session: &Session<'_, S, FleetApi>) -> Result<Vec<Host>, Failure> {
    let mut found = Vec::new();
    let mut numbers = 0_usize..;
    loop {
        let batch: Vec<Vec<Host>> = stream::iter(numbers.by_ref().take(CONCURRENT))
            .map(|number| pages::require(session, number, ""))
            .buffered(CONCURRENT)
            .map_ok(|page| page.hosts)
            .try_collect()
            .await?;
        let last = batch.iter().any(|page| page.len() < PAGE_SIZE);
        found.extend(batch);
        if last {
            return Ok(unique(found));
        }
    }
}

fn is_named(host: &Host, name: &str) -> bool {
    let name = name.to_lowercase();
    names(host).iter().any(|known| known.to_lowercase() == name)
}

/// Returns each host once: it can stand on two pages when others come or go in between.
fn unique(pages: Vec<Vec<Host>>) -> Vec<Host> {
    let mut seen = HashSet::new();
    pages
        .into_iter()
        .flatten()
        .filter(|host| seen.insert(host.id))
        .collect()
}
