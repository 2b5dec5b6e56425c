//! The stored rows of a saved query.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::osquery::Row;

/// From 4.93 on, larger results of a host are not stored, in bytes.
const MOST_BYTES: usize = 512 << 10;

/// How much a report holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cap {
    /// Rows, of all hosts together.
    pub(super) rows: usize,
    /// Whether a full report keeps refreshing the hosts that are in it. Before 4.93 it freezes.
    pub(super) refreshes: bool,
}

/// The last rows of each host.
#[derive(Debug, Default)]
pub(super) struct Report {
    hosts: BTreeMap<u64, Fetched>,
    /// How many rows there are.
    rows: usize,
    /// When rows of each host last came. Outlives the rows, so that no two results of a host have the same time.
    last: BTreeMap<u64, Timestamp>,
}

/// The rows that a host sent at one time.
#[derive(Debug)]
struct Fetched {
    at: Timestamp,
    rows: Vec<Row>,
}

impl Report {
    /// Stores what a host sent in place of what it sent before, as far as there is room.
    pub(super) fn store(&mut self, host: u64, mut rows: Vec<Row>, now: Timestamp, cap: Cap) {
        if self.is_clipped(cap) && !cap.refreshes {
            return;
        }
        if cap.refreshes && serde_json::to_string(&rows).is_ok_and(|text| text.len() > MOST_BYTES) {
            rows.clear();
        }
        self.forget(host);
        rows.truncate(cap.rows.saturating_sub(self.rows));
        self.rows += rows.len();
        // Stored times are whole seconds: a second run in the same second is told from the first by its being later.
        let next = self.last.get(&host).map(|last| *last + SignedDuration::from_secs(1));
        let at = next.map_or(now, |next| next.max(now));
        self.last.insert(host, at);
        self.hosts.insert(host, Fetched { at, rows });
    }

    pub(super) fn is_clipped(&self, cap: Cap) -> bool {
        self.rows >= cap.rows
    }

    /// Deletes the rows of a host.
    pub(super) fn forget(&mut self, host: u64) {
        self.rows -= self.hosts.remove(&host).map_or(0, |fetched| fetched.rows.len());
    }

    /// Lets rows come at earlier times than those that came before: the clock was set back.
    pub(super) fn forget_times(&mut self) {
        self.last.clear();
    }

    /// Deletes all rows.
    pub(super) fn clear(&mut self) {
        self.hosts.clear();
        self.rows = 0;
    }

    /// Each row, whose it is and when it came: the newest hosts first.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u64, Timestamp, &Row)> {
        let mut hosts: Vec<_> = self.hosts.iter().collect();
        hosts.sort_by_key(|(_, fetched)| std::cmp::Reverse(fetched.at));
        hosts
            .into_iter()
            .flat_map(|(host, fetched)| fetched.rows.iter().map(|row| (*host, fetched.at, row)))
    }
}
