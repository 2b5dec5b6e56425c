//! The stream `hosts`: an event for each host whose status has changed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use futures::{StreamExt as _, join, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::api::FleetApi;
use super::connector::FleetSource;
use super::pages::{self, PAGE, Page};
use super::wire::{Host, HostRead};
use crate::contract::Severity;
use crate::contract::{Change, Feeds, Level};
use crate::contract::{Failure, Kind};
use crate::event::{About, Event, HostName, Source, cut, key};
use crate::exports::connectors::{self as connector, Initial, Notice, Summary, forget, notice, remember};

type Poll<'a, S> = connector::Poll<'a, S, FleetApi>;

/// What the keys of hosts begin with.
pub(super) const HOST: &str = "host/";

/// Present once a first poll has seen every host.
const BASELINE: &str = "hosts/baseline";

/// The statuses that are not of Fleet's protocol and have been told as such.
const UNKNOWN: &str = "hosts/unknown-statuses";

/// Unknown statuses that are told. A server that makes up a new one each time is not followed for ever.
const MOST_UNKNOWN: usize = 20;

/// Hosts that were not on any page and are looked up one by one; the rest waits for the next poll.
const LOOKED_UP: usize = 1_000;

/// Lookups under way at once.
const CONCURRENT: usize = 8;

/// Pages in a row that may fail before the poll does.
const FAILED_PAGES: usize = 3;

/// What is remembered of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    status: Box<str>,
    /// How often the status has changed, the first sight included.
    seq: u32,
    /// When it last changed, in milliseconds since 1970, by the server's clock.
    at: i64,
    /// The hostname, for rows, which do not have it.
    pub(super) name: Box<str>,
    /// Whether it changes too often to be told each time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    flapping: bool,
}

impl Remembered {
    /// Whether it has been there since then, by all that was seen.
    pub(super) fn is_online_since(&self, then: Timestamp) -> bool {
        &*self.status == "online" && !self.flapping && self.at <= then.as_millisecond()
    }
}

/// Polls once.
pub(super) async fn poll<S: Feeds>(poll: &Poll<'_, S>, config: &FleetSource) -> Result<Summary, Failure> {
    let filter = config.team_filter();
    let missing = missing(poll, &filter).await?;
    let known = poll.entries(HOST, |id, value| {
        let remembered: Remembered = serde_json::from_str(&value).ok()?;
        Some((id.parse().ok()?, remembered))
    });
    let known: HashMap<u64, Remembered> = known.await.into_iter().collect();
    let had_baseline = poll.recall(BASELINE).await.is_some();
    let mut watch = Watching {
        poll,
        missing,
        known,
        seen: HashSet::new(),
        quiet: !had_baseline && poll.options.initial == Initial::Skip,
        told: 0,
        unknown: BTreeMap::new(),
    };
    let mut failures = watch.pages(&filter).await?;
    if failures.is_empty() {
        failures.extend(watch.look_up_unseen(config).await?);
        if !had_baseline {
            poll.deliver(&[], vec![remember(BASELINE.to_owned(), &true)]).await?;
        }
    }
    watch.say_unknown().await?;
    Ok(Summary {
        message: format!("{} hosts, {} changed", watch.seen.len(), watch.told),
        failures,
    })
}

/// The hosts that have not been seen for long. Their own status says `offline`.
async fn missing<S: Feeds>(poll: &Poll<'_, S>, filter: &str) -> Result<HashSet<u64>, Failure> {
    let mut missing = HashSet::new();
    for number in 0.. {
        let filter = format!("&status=missing{filter}");
        let page = pages::require::<_, Host>(&poll.session, number, &filter).await?;
        let last = page.hosts.len() < PAGE;
        missing.extend(page.hosts.iter().map(|host| host.id));
        if last {
            break;
        }
    }
    Ok(missing)
}

/// A poll under way.
struct Watching<'a, 'b, S> {
    poll: &'a Poll<'b, S>,
    missing: HashSet<u64>,
    known: HashMap<u64, Remembered>,
    seen: HashSet<u64>,
    /// Whether hosts seen for the first time are remembered and not told.
    quiet: bool,
    told: usize,
    /// Statuses that are not of Fleet's protocol.
    unknown: BTreeMap<String, Unknown>,
}

/// A status that is not of Fleet's protocol.
struct Unknown {
    /// How many hosts have it.
    hosts: usize,
    /// One of them.
    example: String,
    /// When it was seen, by the server's clock.
    at: Timestamp,
}

impl<S: Feeds> Watching<'_, '_, S> {
    /// Reads all pages and tells what changed, page by page; a page is read while the one before it is told. Returns which
    /// pages could not be read.
    async fn pages(&mut self, filter: &str) -> Result<Vec<String>, Failure> {
        let session = &self.poll.session;
        let read = async |number| pages::read::<_, Box<RawValue>>(session, number, filter).await;
        let mut failures = Vec::new();
        let mut failed_in_a_row = 0;
        let mut page = read(0).await?;
        for number in 0.. {
            let Some(read_page) = page else {
                failed_in_a_row += 1;
                if failed_in_a_row == FAILED_PAGES {
                    return Err(Failure::new(
                        Kind::Unavailable,
                        "Fleet keeps failing while it lists its hosts",
                    ));
                }
                failures.push(format!(
                    "page {number} of the hosts was cut short each time it was read"
                ));
                page = read(number + 1).await?;
                continue;
            };
            failed_in_a_row = 0;
            if read_page.hosts.len() < PAGE {
                self.tell(read_page).await?;
                break;
            }
            // In this order, so that the request is on its way before anything is computed.
            let (next, told) = join!(read(number + 1), self.tell(read_page));
            told?;
            page = next?;
        }
        Ok(failures)
    }

    /// Tells what changed on a page.
    async fn tell(&mut self, page: Page<Box<RawValue>>) -> Result<(), Failure> {
        let (mut events, mut changes) = (Vec::new(), Vec::new());
        for raw in &page.hosts {
            self.observe(raw, page.date, &mut events, &mut changes)?;
        }
        self.told += events.len();
        self.poll.deliver(&events, changes).await?;
        self.poll
            .services
            .progress(self.seen.len(), self.seen.len(), "reading hosts");
        Ok(())
    }

    /// Looks at a host. One that stands on two pages is looked at once.
    fn observe(
        &mut self,
        raw: &RawValue,
        now: Timestamp,
        events: &mut Vec<Event>,
        changes: &mut Vec<Change>,
    ) -> Result<(), Failure> {
        let unreadable = |_| Failure::new(Kind::Protocol, "Fleet's list of hosts is not what its protocol says");
        let host: Host = serde_json::from_str(raw.get()).map_err(unreadable)?;
        if !self.seen.insert(host.id) {
            return Ok(());
        }
        // A host that came back since the missing ones were listed says so itself.
        let status = match host.status.as_str() {
            "online" => "online",
            "offline" if self.missing.contains(&host.id) => "missing",
            "offline" => "offline",
            other => {
                let unknown = self.unknown.entry(cut(other, 40)).or_insert_with(|| Unknown {
                    hosts: 0,
                    example: host.hostname.clone(),
                    at: now,
                });
                unknown.hosts += 1;
                other
            }
        };
        let window = i64::from(self.poll.options.flap_window_seconds) * 1_000;
        let before = self.known.get(&host.id);
        let Some(after) = next(before, status, &host.hostname, now.as_millisecond(), window) else {
            return Ok(());
        };
        changes.push(remember(format!("{HOST}{}", host.id), &after));
        let tell = match before {
            None => !self.quiet,
            Some(before) => after.seq != before.seq,
        };
        if tell {
            events.push(event(&self.poll.source, &host, &after, now, raw));
        }
        Ok(())
    }

    /// Looks up the hosts that were on no page. Those that are gone are forgotten; those that only moved between pages while
    /// these were read are looked at like the others. One that cannot be looked up holds up no other; returns why, if there
    /// are any.
    async fn look_up_unseen(&mut self, config: &FleetSource) -> Result<Option<String>, Failure> {
        let unseen = self.known.keys().filter(|id| !self.seen.contains(id));
        let unseen: Vec<u64> = unseen.copied().take(LOOKED_UP).collect();
        let poll = self.poll;
        let session = &poll.session;
        let mut lookups = stream::iter(unseen)
            .map(|id| async move { (id, session.get_dated::<HostRead>(&format!("/hosts/{id}")).await) })
            .buffer_unordered(CONCURRENT);
        let (mut events, mut changes) = (Vec::new(), Vec::new());
        let mut failed: Option<(usize, Failure)> = None;
        while let Some((id, found)) = lookups.next().await {
            match found {
                Ok((read, now)) => {
                    let host: Host = serde_json::from_str(read.host.get()).unwrap_or_default();
                    // Team 0 is no team.
                    if config.team_id.is_some_and(|team| host.team_id.unwrap_or(0) != team) {
                        changes.push(forget(format!("{HOST}{id}")));
                    } else {
                        self.observe(&read.host, now, &mut events, &mut changes)?;
                    }
                }
                Err(failure) if matches!(failure.kind, Kind::NotFound | Kind::Permission) => {
                    changes.push(forget(format!("{HOST}{id}")));
                }
                Err(failure) if matches!(failure.kind, Kind::Auth | Kind::Cancelled) => return Err(failure),
                Err(failure) => failed.get_or_insert((0, failure)).0 += 1,
            }
        }
        self.told += events.len();
        poll.deliver(&events, changes).await?;
        Ok(failed
            .map(|(hosts, why)| format!("{hosts} of the hosts that were on no page could not be looked up: {why}")))
    }

    /// Says once of each status that it is none of Fleet's. It may mean anything, so it is told as it is, as of no weight.
    async fn say_unknown(&self) -> Result<(), Failure> {
        if self.unknown.is_empty() {
            return Ok(());
        }
        let poll = self.poll;
        let told = poll.recall(UNKNOWN).await;
        // What is not understood is forgotten: at worst something is told again.
        let mut told: BTreeSet<String> = told
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let mut events = Vec::new();
        for (status, seen) in &self.unknown {
            let title = format!("FleetDM has a host status that is not known: {}", status.escape_debug());
            poll.services.log(Level::Warn, &title);
            if told.len() == MOST_UNKNOWN || !told.insert(status.clone()) {
                continue;
            }
            let said = Notice {
                code: "unknown-host-status".into(),
                id: status.clone(),
                severity: Severity::Low,
                title,
                description: format!(
                    "hosts that have it: {}, for example {}; it is told as it is, with the severity info; a newer version of \
                     this connector may know what it means",
                    seen.hosts, seen.example
                ),
                time: seen.at,
            };
            events.push(notice(&poll.source, said));
        }
        if events.is_empty() {
            return Ok(());
        }
        poll.deliver(&events, vec![remember(UNKNOWN.to_owned(), &told)]).await
    }
}

/// What to remember of a host now, if that is anything new. A change to be told has a new sequence number.
fn next(before: Option<&Remembered>, status: &str, name: &str, now: i64, window: i64) -> Option<Remembered> {
    let changed = |seq, flapping| {
        Some(Remembered {
            status: status.into(),
            seq,
            at: now,
            name: name.into(),
            flapping,
        })
    };
    let Some(before) = before else { return changed(1, false) };
    let recent = now - before.at < window;
    match (*before.status == *status, before.flapping) {
        // It has been quiet for as long as a host must be to be believed.
        (true, true) if !recent => changed(before.seq + 1, false),
        (true, _) if *before.name == *name => None,
        (true, _) => Some(Remembered {
            name: name.into(),
            ..before.clone()
        }),
        (false, true) if recent => changed(before.seq, true),
        // The first sight of a host is no change of its status.
        (false, false) if recent && before.seq > 1 => changed(before.seq + 1, true),
        (false, _) => changed(before.seq + 1, false),
    }
}

fn event(source: &Source, host: &Host, after: &Remembered, now: Timestamp, raw: &RawValue) -> Event {
    let status = if after.flapping { "flapping" } else { &after.status };
    let id = host.id.to_string();
    let (seq, at) = (after.seq.to_string(), after.at.to_string());
    // The id, since a host that is only enrolling has no uuid yet. The time tells a host that was forgotten and came back.
    let parts = [source.connector, &source.origin, "host", &id, status, &seq, &at];
    let severity = match status {
        "flapping" => Severity::of_status("offline"),
        status => Severity::of_status(status),
    };
    Event {
        severity,
        title: format!("FleetDM host status: {status}"),
        description: format!(
            "hostname={} platform={} os={}{}",
            host.hostname,
            host.platform,
            host.os_version,
            if after.flapping {
                format!(
                    " last status={}; its changes are not told until it settles",
                    after.status
                )
            } else {
                String::new()
            }
        ),
        alert_id: format!("{}-host-{id}-{status}", source.connector),
        dedupe_key: key(&parts),
        about: About::Host {
            status: status.to_owned(),
            platform: host.platform.clone(),
            os_version: host.os_version.clone(),
            raw: raw.to_owned(),
        },
        host: Some(Rc::new(HostName {
            hostname: host.hostname.clone(),
            id: id.clone(),
        })),
        external_id: id,
        time: now,
    }
}

#[cfg(test)]
mod tests {
    use super::{Remembered, next};

    #[test]
    fn every_change_is_numbered_and_a_flapping_host_is_told_once() {
        // With a window of 60 s: at so many seconds, a status; then the number that is remembered, and whether it flaps.
        let steps = [
            (0, "online", Some((1, false))),
            (10, "online", None),
            (30, "offline", Some((2, false))),
            (60, "online", Some((3, true))),
            (80, "offline", Some((3, true))),
            (100, "offline", None),
            (139, "offline", None),
            (140, "offline", Some((4, false))),
            (150, "online", Some((5, true))),
            (400, "offline", Some((6, false))),
            (500, "missing", Some((7, false))),
        ];
        let mut host: Option<Remembered> = None;
        for (second, status, expected) in steps {
            let after = next(host.as_ref(), status, "web-01", second * 1_000, 60_000);
            let seen = after.as_ref().map(|after| (after.seq, after.flapping));
            assert_eq!(seen, expected, "at {second} s");
            host = after.or(host);
        }
    }

    #[test]
    fn without_a_window_nothing_flaps() {
        let mut host = None;
        for (number, status) in (1..).zip(["online", "offline", "online", "missing"]) {
            let after = next(host.as_ref(), status, "web-01", i64::from(number), 0).unwrap();
            assert_eq!((after.seq, after.flapping), (number, false));
            host = Some(after);
        }
        let renamed = next(host.as_ref(), "missing", "web-02", 9, 0).unwrap();
        assert_eq!((renamed.seq, &*renamed.name), (4, "web-02"));
    }
}
