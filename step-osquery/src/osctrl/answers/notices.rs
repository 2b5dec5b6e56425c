//! What is said of queries besides their answers.

use super::owed::News;
use super::{Cursor, ELSEWHERE, Reading, Told, key};
use crate::contract::Failure;
use crate::contract::Feeds;
use crate::contract::Severity;
use crate::event::Event;
use crate::exports::connectors::{Notice, forget, notice, remember};
use crate::osctrl::wire::QueryListed;
use crate::polling::trouble::Trouble;

impl<S: Feeds> Reading<'_, '_, S> {
    /// Remembers that a query's answers could not be read, and says so when that goes on: its cursor stands still.
    pub(super) async fn count_failure(
        &self,
        query: &QueryListed,
        mut cursor: Cursor,
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

    /// What is said when a query's answers stand still although more were counted, and when they move again.
    pub(super) fn standstill(&self, query: &QueryListed, news: News) -> Option<Event> {
        let (code, severity, what, why) = match news {
            News::None => return None,
            News::Stalled { owed, since } => (
                "answers-stalled",
                Severity::Medium,
                "stand still",
                format!(
                    "{owed} more were counted than are stored, since {since}; osctrl-tls may have failed to store them"
                ),
            ),
            News::Moving { since } => (
                "answers-moving",
                Severity::Info,
                "move again",
                format!("all that were counted are stored; some were not since {since}"),
            ),
        };
        let title = format!("osctrl answers to `{}` {what}", query.name);
        Some(self.notice(code, &query.name, severity, title, why))
    }

    pub(super) fn failing(&self, query: &QueryListed, code: &str, why: &str) -> Event {
        let (severity, what) = if code == "answers-failing" {
            (Severity::Medium, "cannot be read")
        } else {
            (Severity::Info, "can be read again")
        };
        let title = format!("osctrl answers to `{}` {what}", query.name);
        self.notice(code, &query.name, severity, title, why.to_owned())
    }

    /// Says once that the server counts answers and does not store them, and forgets it when it does.
    pub(super) async fn say_elsewhere(&self, all: &Told) -> Result<(), Failure> {
        let said = self.elsewhere;
        if said && all.answers > 0 {
            return self.poll.deliver(&[], vec![forget(ELSEWHERE.to_owned())]).await;
        }
        if said || all.answers > 0 || all.newest.is_none_or(|(_, is_read)| is_read) {
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
            .deliver(&[event], vec![remember(ELSEWHERE.to_owned(), &true)])
            .await
    }

    fn notice(&self, code: &str, about: &str, severity: Severity, title: String, description: String) -> Event {
        let said = Notice {
            code: code.to_owned(),
            id: format!("{about}-{}", self.now.as_millisecond()),
            severity,
            title,
            description,
            time: self.now,
        };
        notice(&self.poll.source, said)
    }
}
