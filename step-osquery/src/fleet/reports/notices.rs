//! Notices about reports.

use crate::contract::{Failure, PollServices, Severity};
use crate::event::{Event, Notice};
use crate::fleet::wire::SavedQuery;
use crate::polling::{Trouble, remember};

use super::context::ReportsPoll;
use super::cursor::{ReportCursor, key};
use super::stalled;

impl<S: PollServices> ReportsPoll<'_, '_, S> {
    /// Sends a notice of each condition that holds of a report now, once per condition, and remembers the cursor.
    pub(super) async fn finish(
        &self,
        query: &SavedQuery,
        before: ReportCursor,
        mut cursor: ReportCursor,
        holds: &[&str],
        mut events: Vec<Event>,
    ) -> Result<(), Failure> {
        cursor.told.retain(|code| holds.contains(&code.as_str()));
        for code in holds {
            if cursor.told.insert((*code).to_owned()) {
                events.push(self.notice(query, code, ""));
            }
        }
        if cursor == before && events.is_empty() {
            return Ok(());
        }
        self.poll.deliver(&events, vec![remember(key(query.id), &cursor)]).await
    }

    /// Remembers that a report could not be read, and sends a notice if that goes on: its cursor stands still.
    pub(super) async fn count_failure(
        &self,
        query: &SavedQuery,
        mut cursor: ReportCursor,
        failure: &Failure,
    ) -> Result<(), Failure> {
        let alarming = Trouble::count(&mut cursor.failing, self.now);
        let event = alarming.map(|failing| {
            let why = format!("since {}: {failure}", failing.since);
            self.notice(query, "report-failing", &why)
        });
        let events: Vec<Event> = event.into_iter().collect();
        self.poll.deliver(&events, vec![remember(key(query.id), &cursor)]).await
    }

    /// Returns a notice once a report stands still although its query goes on running, and once it moves again.
    pub(super) async fn standstill(
        &self,
        query: &SavedQuery,
        before: &ReportCursor,
        cursor: &mut ReportCursor,
    ) -> Option<Event> {
        let runs = query.runs();
        // The count starts again when the query is changed.
        if cursor.hosts != before.hosts || cursor.runs.is_none() || runs < cursor.runs {
            cursor.runs = runs;
            let ended = Trouble::end(&mut cursor.stalled)?;
            let since = format!("it had not since {}", ended.since);
            return Some(self.notice(query, "report-moving", &since));
        }
        let Some(host) = stalled::overdue(self.poll, query, cursor, self.now).await else {
            Trouble::pass(&mut cursor.stalled);
            return None;
        };
        let trouble = Trouble::count(&mut cursor.stalled, self.now)?;
        let why = format!("since {} or longer, and {host} is online", trouble.since);
        Some(self.notice(query, "report-stalled", &why))
    }

    /// Returns a notice about a report. Its time sets it apart from earlier notices with the same code.
    pub(super) fn notice(&self, query: &SavedQuery, code: &str, particulars: &str) -> Event {
        let (severity, title, description) = wording(code);
        let notice = Notice {
            code: code.to_owned(),
            id: format!("{}-{}", query.id, self.now.as_millisecond()),
            severity,
            title: format!("FleetDM report of `{}` {title}", query.name),
            description: if particulars.is_empty() {
                description.to_owned()
            } else {
                format!("{description}; {particulars}")
            },
            time: self.now,
        };
        notice.into_event(&self.poll.source)
    }
}

/// Returns the severity of a notice, the end of its title, and its description.
fn wording(code: &str) -> (Severity, &'static str, &'static str) {
    match code {
        "report-clipped" => (
            Severity::Medium,
            "is full",
            "Fleet stores no rows of further hosts; raise the report cap or narrow the query",
        ),
        "report-frozen" => (
            Severity::Medium,
            "is full and frozen",
            "before 4.93 Fleet stops refreshing a full report: its rows are old and incomplete; raise the report cap, \
             narrow the query, or update Fleet",
        ),
        "report-discarded" => (
            Severity::Low,
            "is not stored",
            "the query discards its data or does not log snapshots, so that there are no rows to read",
        ),
        "report-stalled" => (
            Severity::Medium,
            "stands still",
            "Fleet goes on counting runs of the query and stores no newer rows of hosts that are there; it leaves out a \
             host's rows above 512 KB, and stores none while it is overloaded",
        ),
        "report-moving" => (Severity::Info, "moves again", "its rows are told as they come"),
        "report-failing" => (
            Severity::Medium,
            "cannot be read",
            "its rows are not told while this lasts",
        ),
        _ => (
            Severity::Info,
            "can be read again",
            "its rows are told from where they were left",
        ),
    }
}
