//! Notices about queries.

use super::context::{AnswersPoll, STORED_ELSEWHERE};
use super::counts::Counts;
use super::cursor::{AnswersCursor, key};
use super::owed::OwedChange;
use crate::contract::{Failure, PollServices, Severity};
use crate::event::{Event, Notice};
use crate::osctrl::wire::QueryListed;
use crate::polling::{Trouble, forget, remember};

impl<S: PollServices> AnswersPoll<'_, '_, S> {
    /// Remembers that a query's answers could not be read, and sends a notice if that goes on: its cursor stands still.
    pub(super) async fn count_failure(
        &self,
        query: &QueryListed,
        mut cursor: AnswersCursor,
        failure: &Failure,
    ) -> Result<(), Failure> {
        let alarming = Trouble::count(&mut cursor.failing, self.now);
        let event = alarming.map(|failing| {
            let why = format!("since {}: {failure}", failing.since);
            self.failing(query, "answers-failing", &why)
        });
        let events: Vec<Event> = event.into_iter().collect();
        self.poll
            .deliver(&events, vec![remember(key(&query.name), &cursor)])
            .await
    }

    /// Returns a notice when a query's answers stand still although more were counted, and when they move again.
    pub(super) fn standstill(&self, query: &QueryListed, change: OwedChange) -> Option<Event> {
        let (code, severity, what, why) = match change {
            OwedChange::None => return None,
            OwedChange::Stalled { owed, since } => (
                "answers-stalled",
                Severity::Medium,
                "stand still",
                format!(
                    "{owed} more were counted than are stored, since {since}; osctrl-tls may have failed to store them"
                ),
            ),
            OwedChange::Moving { since } => (
                "answers-moving",
                Severity::Info,
                "move again",
                format!("all that were counted are stored; some were not since {since}"),
            ),
        };
        let title = format!("osctrl answers to `{}` {what}", query.name);
        Some(self.notice(code, &query.name, severity, title, why))
    }

    /// Returns a notice that a query's answers cannot be read, or can be read again.
    pub(super) fn failing(&self, query: &QueryListed, code: &str, why: &str) -> Event {
        let (severity, what) = if code == "answers-failing" {
            (Severity::Medium, "cannot be read")
        } else {
            (Severity::Info, "can be read again")
        };
        let title = format!("osctrl answers to `{}` {what}", query.name);
        self.notice(code, &query.name, severity, title, why.to_owned())
    }

    /// Sends a notice, once, that the server counts answers and does not store them, and forgets it when it does.
    pub(super) async fn check_storage(&self, all: &Counts) -> Result<(), Failure> {
        if self.elsewhere && all.answers > 0 {
            return self.poll.deliver(&[], vec![forget(STORED_ELSEWHERE.to_owned())]).await;
        }
        if self.elsewhere || all.answers > 0 || all.newest.is_none_or(|(_, is_read)| is_read) {
            return Ok(());
        }
        let event = self.notice(
            "answers-stored-elsewhere",
            self.environment.as_str(),
            Severity::Medium,
            format!("osctrl counts answers in {} and stores none", self.environment.as_str()),
            "osctrl-tls must log answers to the database that osctrl-api reads (logger: db, or ALWAYS_LOG)".into(),
        );
        self.poll
            .deliver(&[event], vec![remember(STORED_ELSEWHERE.to_owned(), &true)])
            .await
    }

    fn notice(&self, code: &str, about: &str, severity: Severity, title: String, description: String) -> Event {
        let notice = Notice {
            code: code.to_owned(),
            id: format!("{about}-{}", self.now.as_millisecond()),
            severity,
            title,
            description,
            time: self.now,
        };
        notice.into_event(&self.poll.source)
    }
}
