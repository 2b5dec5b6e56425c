//! Host statuses that are not of Fleet's protocol. One may mean anything, so its hosts are reported as they are, with
//! the lowest severity.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::contract::{Failure, Level, PollServices, Severity};
use crate::event::Notice;
use crate::fleet::api::FleetApi;
use crate::fleet::wire::Host;
use crate::polling::{Poll, remember};
use crate::text::cut;

/// The key of the statuses that notices have been sent of.
const NOTIFIED: &str = "hosts/unknown-statuses";

/// The number of statuses that notices are sent of: a server that makes up a new one each time is not followed for
/// ever.
const MOST: usize = 20;

/// The unknown statuses that a poll has seen.
#[derive(Default)]
pub(super) struct UnknownStatuses(BTreeMap<String, Seen>);

/// The hosts of an unknown status.
struct Seen {
    hosts: usize,
    /// The hostname of one of them.
    example: String,
    /// The time of the first sight, by the server's clock.
    at: Timestamp,
}

impl UnknownStatuses {
    /// Counts a host with an unknown status.
    pub(super) fn count(&mut self, host: &Host, now: Timestamp) {
        let seen = self.0.entry(cut(&host.status, 40)).or_insert_with(|| Seen {
            hosts: 0,
            example: host.hostname.clone(),
            at: now,
        });
        seen.hosts += 1;
    }

    /// Sends a notice of each status, once per status.
    pub(super) async fn notify<S: PollServices>(&self, poll: &Poll<'_, S, FleetApi>) -> Result<(), Failure> {
        if self.0.is_empty() {
            return Ok(());
        }
        // An entry that cannot be parsed is forgotten: at worst a notice is sent again.
        let mut notified: BTreeSet<String> = poll
            .recall(NOTIFIED)
            .await
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let mut events = Vec::new();
        for (status, seen) in &self.0 {
            let title = format!("FleetDM has a host status that is not known: {}", status.escape_debug());
            poll.services.log(Level::Warn, &title);
            if notified.len() == MOST || !notified.insert(status.clone()) {
                continue;
            }
            let notice = Notice {
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
            events.push(notice.into_event(&poll.source));
        }
        if events.is_empty() {
            return Ok(());
        }
        poll.deliver(&events, vec![remember(NOTIFIED.to_owned(), &notified)])
            .await
    }
}
