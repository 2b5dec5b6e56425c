//! Reads one report.

use super::context::ReportsPoll;
use super::cursor::{ReportCursor, key};
use crate::contract::{Failure, FailureKind, PollServices};
use crate::fleet::wire::{Report, SavedQuery};
use crate::polling::Trouble;

/// The version from which on a full report keeps refreshing the hosts that are in it.
const REFRESHES: (u32, u32) = (4, 93);

/// The outcome of reading one report.
pub(super) enum ReportOutcome<'q> {
    /// This many rows were sent.
    Read(usize),
    /// It could not be read, and its cursor stays where it was.
    Failed(&'q SavedQuery, Box<ReportCursor>, Failure),
}

impl<S: PollServices> ReportsPoll<'_, '_, S> {
    /// Reads a report. A failure here stops this report and no other.
    pub(super) async fn report<'q>(&self, query: &'q SavedQuery) -> Result<ReportOutcome<'q>, Failure> {
        let mut cursor = self.cursor(query).await?;
        let before = cursor.clone();
        if query.discard_data || !matches!(query.logging.as_str(), "" | "snapshot") {
            self.finish(query, before, cursor, &["report-discarded"], Vec::new())
                .await?;
            return Ok(ReportOutcome::Read(0));
        }
        let route = format!("{}/{}/report{}", self.routes.list(), query.id, self.team);
        let report = match self.poll.session.get::<Report>(&route).await {
            Ok(report) => report,
            Err(failure) => return Ok(ReportOutcome::Failed(query, Box::new(cursor), failure)),
        };
        let holds = self.conditions(&report);
        let rows = report.results.unwrap_or_default();
        let (sent, mut events) = match self.rows(query, &mut cursor, rows).await {
            Ok(read) => read,
            Err(failure) if failure.kind == FailureKind::Cancelled => return Err(failure),
            Err(failure) => return Ok(ReportOutcome::Failed(query, Box::new(cursor), failure)),
        };
        if let Some(failing) = Trouble::end(&mut cursor.failing) {
            let since = format!("it could not since {}", failing.since);
            events.push(self.notice(query, "report-recovered", &since));
        }
        // The notice of a full or frozen report has given the reason.
        if holds.is_empty() || cursor.hosts != before.hosts {
            events.extend(self.standstill(query, &before, &mut cursor).await);
        }
        self.finish(query, before, cursor, holds, events).await?;
        Ok(ReportOutcome::Read(sent))
    }

    /// Recalls the cursor of a report, or begins one.
    async fn cursor(&self, query: &SavedQuery) -> Result<ReportCursor, Failure> {
        match self.poll.recall(&key(query.id)).await {
            Some(text) => serde_json::from_str(&text).map_err(|_| {
                Failure::new(
                    FailureKind::Internal,
                    format!("the cursor of query {} cannot be read", query.id),
                )
            }),
            None => Ok(ReportCursor {
                quiet: Some(self.now).filter(|_| self.is_quiet()),
                ..ReportCursor::default()
            }),
        }
    }

    /// Returns the codes of the conditions that a report shows.
    fn conditions(&self, report: &Report) -> &'static [&'static str] {
        match (report.report_clipped, self.version) {
            (false, _) => &[],
            (true, Some(version)) if version >= REFRESHES => &["report-clipped"],
            (true, _) => &["report-frozen"],
        }
    }
}
