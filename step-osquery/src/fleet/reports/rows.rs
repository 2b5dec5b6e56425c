//! Sends the rows of a report that are newer than its cursor.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::Timestamp;

use super::context::ReportsPoll;
use super::cursor::{ReportCursor, key};
use crate::contract::{Failure, Level, PollServices};
use crate::event::{BATCH_SIZE, Event, HostRef, RowEvents, row_digest};
use crate::fleet::wire::{ReportRow, SavedQuery};
use crate::osquery::{Row, text_row};
use crate::polling::{RowSelection, remember};

impl<S: PollServices> ReportsPoll<'_, '_, S> {
    /// Sends the rows that are newer than the cursor, host by host, and moves the cursor with them. Returns how many
    /// there are, and the events that are still to be delivered.
    pub(super) async fn rows(
        &self,
        query: &SavedQuery,
        cursor: &mut ReportCursor,
        rows: Vec<ReportRow>,
    ) -> Result<(usize, Vec<Event>), Failure> {
        let only_changed = self.poll.options.rows == RowSelection::Changed;
        let mut hosts: BTreeMap<u64, Vec<ReportRow>> = BTreeMap::new();
        for row in rows {
            hosts.entry(row.host_id).or_default().push(row);
        }
        // A host that is no longer in the report has no rows. When it has some again, they are newer.
        cursor.hosts.retain(|host, _| hosts.contains_key(host));
        cursor.rows.retain(|host, _| only_changed && hosts.contains_key(host));
        hosts.retain(|host, rows| newest(rows).as_microsecond() != cursor.read_until(*host));
        let hostnames = self.hostnames(hosts.keys().copied()).await?;
        let row_events = self.row_events(query, !hosts.is_empty());
        let until = cursor.quiet.take();
        let is_quiet = |newest: Timestamp| self.is_quiet() || until.is_some_and(|until| newest <= until);
        let (mut events, mut sent) = (Vec::new(), 0);
        for (id, rows) in hosts {
            let newest = newest(&rows);
            let display_name = rows.first().map(|row| row.host_name.clone()).unwrap_or_default();
            let fresh = cursor.advance(id, newest, rows, only_changed);
            if !is_quiet(newest) {
                let host = Rc::new(HostRef {
                    id: id.to_string(),
                    hostname: hostnames.get(&id).cloned().unwrap_or(display_name),
                });
                events.extend(row_events.of_answer(&self.poll.source, &host, newest, fresh));
            }
            if events.len() >= BATCH_SIZE {
                sent += events.len();
                let change = remember(key(query.id), cursor);
                self.poll.deliver(&std::mem::take(&mut events), vec![change]).await?;
            }
        }
        Ok((sent + events.len(), events))
    }

    /// Prepares the events of a query's rows, and warns if there are rows and the statement cannot be parsed.
    fn row_events(&self, query: &SavedQuery, has_rows: bool) -> RowEvents {
        let row_events = RowEvents::new(&query.name, query.id.to_string(), &query.query);
        if !row_events.is_parsed && has_rows {
            let message = format!(
                "the statement of `{}` cannot be read; its rows are of medium severity",
                query.name
            );
            self.poll.services.log(Level::Warn, &message);
        }
        row_events
    }
}

impl ReportCursor {
    /// Returns the time up to which a host's rows have been read, in microseconds since 1970.
    fn read_until(&self, host: u64) -> i64 {
        self.hosts.get(&host).copied().unwrap_or(i64::MIN)
    }

    /// Moves past a host's rows, and returns those that are fresh.
    fn advance(&mut self, host: u64, newest: Timestamp, rows: Vec<ReportRow>, only_changed: bool) -> Vec<Row> {
        // If Fleet's clock or its database was set back, these rows replaced those that were read, and all of them are
        // fresh.
        let until = Some(self.read_until(host)).filter(|until| newest.as_microsecond() > *until);
        let fresh = rows
            .into_iter()
            .filter(|row| until.is_none_or(|until| row.last_fetched.as_microsecond() > until))
            .map(|row| text_row(row.columns));
        let mut fresh: Vec<_> = fresh.collect();
        self.hosts.insert(host, newest.as_microsecond());
        if only_changed {
            let now: BTreeSet<String> = fresh.iter().map(row_digest).collect();
            let before = self.rows.insert(host, now).unwrap_or_default();
            fresh.retain(|row| !before.contains(&row_digest(row)));
        }
        fresh
    }
}

/// Returns the time at which a host's rows came; all of them come together.
fn newest(rows: &[ReportRow]) -> Timestamp {
    rows.iter().map(|row| row.last_fetched).max().unwrap_or_default()
}
