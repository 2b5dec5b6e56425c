//! A scan of all hosts, which sends an event for each whose posture has changed.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt as _, join, stream};
use jiff::Timestamp;
use serde_json::value::RawValue;

use super::event::posture_event;
use super::unknown::UnknownStatuses;
use crate::contract::{Change, Failure, FailureKind, PollServices};
use crate::event::Event;
use crate::fleet::api::FleetApi;
use crate::fleet::config::FleetConfig;
use crate::fleet::pages::{self, PAGE_SIZE, Page};
use crate::fleet::posture::{Posture, key};
use crate::fleet::wire::{Host, HostRead};
use crate::polling::{Poll, forget, remember};

/// The number of hosts that were on no page and are looked up one by one; the rest waits for the next poll.
const MOST_LOOKED_UP: usize = 1_000;

/// The number of lookups under way at once.
const CONCURRENT: usize = 8;

/// The number of pages in a row that may fail before the poll does.
const FAILED_PAGES: usize = 3;

/// A scan of all hosts for changes.
pub(super) struct Scan<'a, 'b, S> {
    poll: &'a Poll<'b, S, FleetApi>,
    /// The hosts that have not been seen for long. Their own status is `offline`.
    missing: HashSet<u64>,
    known: HashMap<u64, Posture>,
    seen: HashSet<u64>,
    /// True if hosts seen for the first time are remembered without an event.
    quiet: bool,
    changed: usize,
    unknown: UnknownStatuses,
}

impl<'a, 'b, S: PollServices> Scan<'a, 'b, S> {
    /// Begins a scan with the hosts that are known from earlier polls.
    pub(super) fn begin(
        poll: &'a Poll<'b, S, FleetApi>,
        missing: HashSet<u64>,
        known: HashMap<u64, Posture>,
        quiet: bool,
    ) -> Self {
        Self {
            poll,
            missing,
            known,
            seen: HashSet::new(),
            quiet,
            changed: 0,
            unknown: UnknownStatuses::default(),
        }
    }

    /// Returns how many hosts were seen, and how many of them gave an event.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.seen.len(), self.changed)
    }

    /// Returns the unknown statuses that were seen.
    pub(super) fn unknown_statuses(&self) -> &UnknownStatuses {
        &self.unknown
    }

    /// Reads all pages and sends the changes, page by page; a page is read while the changes of the one before it are
    /// sent. Returns which pages could not be read.
    pub(super) async fn pages(&mut self, filter: &str) -> Result<Vec<String>, Failure> {
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
                        FailureKind::Unavailable,
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
            if read_page.hosts.len() < PAGE_SIZE {
                self.page(read_page).await?;
                break;
            }
            // In this order, so that the request is under way before anything is computed.
            let (next, sent) = join!(read(number + 1), self.page(read_page));
            sent?;
            page = next?;
        }
        Ok(failures)
    }

    /// Sends the changes of a page.
    async fn page(&mut self, page: Page<Box<RawValue>>) -> Result<(), Failure> {
        let (mut events, mut changes) = (Vec::new(), Vec::new());
        for raw in &page.hosts {
            self.observe(raw, page.date, &mut events, &mut changes)?;
        }
        self.changed += events.len();
        self.poll.deliver(&events, changes).await?;
        self.poll
            .services
            .progress(self.seen.len(), self.seen.len(), "reading hosts");
        Ok(())
    }

    /// Compares a host with its known posture. A host that stands on two pages is compared once.
    fn observe(
        &mut self,
        raw: &RawValue,
        now: Timestamp,
        events: &mut Vec<Event>,
        changes: &mut Vec<Change>,
    ) -> Result<(), Failure> {
        let unreadable = |_| {
            Failure::new(
                FailureKind::Protocol,
                "Fleet's list of hosts is not what its protocol says",
            )
        };
        let host: Host = serde_json::from_str(raw.get()).map_err(unreadable)?;
        if !self.seen.insert(host.id) {
            return Ok(());
        }
        // The status of a host that came back since the missing ones were listed is `online`.
        let status = match host.status.as_str() {
            "online" => "online",
            "offline" if self.missing.contains(&host.id) => "missing",
            "offline" => "offline",
            other => {
                self.unknown.count(&host, now);
                other
            }
        };
        let window = i64::from(self.poll.options.flap_window_seconds) * 1_000;
        let before = self.known.get(&host.id);
        let Some(after) = Posture::next(before, status, &host.hostname, now.as_millisecond(), window) else {
            return Ok(());
        };
        changes.push(remember(key(host.id), &after));
        let is_reported = match before {
            None => !self.quiet,
            Some(before) => after.seq != before.seq,
        };
        if is_reported {
            events.push(posture_event(&self.poll.source, &host, &after, now, raw));
        }
        Ok(())
    }

    /// Looks up the hosts that were on no page. Those that are gone are forgotten; those that only moved between pages
    /// while the pages were read are compared like the others. A host that cannot be looked up does not hold up the
    /// others; returns why, if there are any.
    pub(super) async fn look_up_unseen(&mut self, config: &FleetConfig) -> Result<Option<String>, Failure> {
        let unseen = self.known.keys().filter(|id| !self.seen.contains(id));
        let unseen: Vec<u64> = unseen.copied().take(MOST_LOOKED_UP).collect();
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
                        changes.push(forget(key(id)));
                    } else {
                        self.observe(&read.host, now, &mut events, &mut changes)?;
                    }
                }
                Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::Permission) => {
                    changes.push(forget(key(id)));
                }
                Err(failure) if matches!(failure.kind, FailureKind::Auth | FailureKind::Cancelled) => {
                    return Err(failure);
                }
                Err(failure) => failed.get_or_insert((0, failure)).0 += 1,
            }
        }
        self.changed += events.len();
        poll.deliver(&events, changes).await?;
        Ok(failed
            .map(|(hosts, why)| format!("{hosts} of the hosts that were on no page could not be looked up: {why}")))
    }
}
