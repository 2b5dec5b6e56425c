//! Polls one of the listed queries.

use super::context::AnswersPoll;
use super::counts::Counts;
use super::cursor::{AnswersCursor, key};
use super::owed::OwedChange;
use crate::contract::{Failure, FailureKind, PollServices};
use crate::event::Event;
use crate::osctrl::results::OVERLAP;
use crate::osctrl::wire::QueryListed;
use crate::polling::{Trouble, remember};

/// The outcome of reading one query.
pub(super) enum AnswersOutcome<'q> {
    /// The new answers were sent.
    Read(Counts),
    /// They could not be read; the next poll goes on from this cursor.
    Failed(&'q QueryListed, Box<AnswersCursor>, Failure),
}

impl<S: PollServices> AnswersPoll<'_, '_, S> {
    /// Reads the answers to a query, if there can be new ones. A failure here stops this query and no other.
    pub(super) async fn query<'q>(&self, query: &'q QueryListed) -> Result<AnswersOutcome<'q>, Failure> {
        let mut cursor = self.cursor(query).await?;
        let counted = query.executions.saturating_add(query.errors);
        let before = cursor.clone();
        cursor.unlisted = false;
        if counted != cursor.counted {
            cursor.counted = counted;
            cursor.grown = self.now;
            cursor.settled = false;
        }
        if cursor.settled && cursor == before && !cursor.may_owe(query) {
            return Ok(AnswersOutcome::Read(Counts::none_of(query, &cursor)));
        }
        let (counts, owed) = match self.read(query, &mut cursor).await {
            Ok(read) => read,
            Err(failure) if failure.kind == FailureKind::Cancelled => return Err(failure),
            Err(failure) => {
                // The next poll tries again from where this one got.
                cursor.counted = before.counted;
                cursor.settled = false;
                return Ok(AnswersOutcome::Failed(query, Box::new(cursor), failure));
            }
        };
        let mut events: Vec<Event> = self.standstill(query, owed).into_iter().collect();
        if let Some(failing) = Trouble::end(&mut cursor.failing) {
            events.push(self.failing(
                query,
                "answers-recovered",
                &format!("they could not since {}", failing.since),
            ));
        }
        if cursor.settled {
            cursor.quiet = None;
        }
        if cursor != before || !events.is_empty() {
            self.poll
                .deliver(&events, vec![remember(key(&query.name), &cursor)])
                .await?;
        }
        Ok(AnswersOutcome::Read(Counts {
            newest: Counts::none_of(query, &cursor).newest,
            ..counts
        }))
    }

    /// Recalls the cursor of a query's answers, or begins one.
    async fn cursor(&self, query: &QueryListed) -> Result<AnswersCursor, Failure> {
        match self.poll.recall(&key(&query.name)).await {
            Some(text) => serde_json::from_str(&text).map_err(|_| {
                Failure::new(
                    FailureKind::Internal,
                    format!("the cursor of {} cannot be read", query.name),
                )
            }),
            None => Ok(AnswersCursor {
                quiet: Some(self.now).filter(|_| self.quiet),
                history: self.first,
                settled: true,
                ..AnswersCursor::default()
            }),
        }
    }

    /// Reads the answers that there may be, and compares their number with the number that was counted.
    async fn read(&self, query: &QueryListed, cursor: &mut AnswersCursor) -> Result<(Counts, OwedChange), Failure> {
        let mut stored = None;
        if cursor.may_owe(query) {
            stored = Some(self.stored(query).await?);
        }
        let counts = match stored {
            Some(stored) if !cursor.owed.has_moved(stored) => Counts::default(),
            // An answer that comes after so long may carry an old stamp.
            Some(_) => self.answers(query, cursor, None).await?,
            None => self.answers(query, cursor, cursor.newest).await?,
        };
        cursor.settled = self.now.duration_since(cursor.grown) >= OVERLAP;
        if !cursor.settled {
            return Ok((counts, OwedChange::None));
        }
        if !cursor.may_owe(query) {
            return Ok((counts, cursor.owed.clear()));
        }
        let stored = match stored {
            Some(stored) => stored,
            None => self.stored(query).await?,
        };
        let is_unread = cursor.nodes.is_empty() && self.elsewhere;
        if std::mem::take(&mut cursor.history) || is_unread {
            // Answers from before the first poll are unknown, and a notice about storage elsewhere covers all queries.
            cursor.owed.forgive(query, stored);
        }
        Ok((counts, cursor.owed.compare(query, stored, self.now)))
    }
}
