//! The counts of new answers.

use super::cursor::AnswersCursor;
use crate::osctrl::wire::QueryListed;

/// The counts of a query's new answers, or of those of several queries.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) rows: usize,
    pub(super) answers: usize,
    /// Answers that were errors and have no rows.
    pub(super) errors: usize,
    /// The newest query with answers that were counted, and whether any of them can be read.
    pub(super) newest: Option<(u64, bool)>,
}

impl Counts {
    /// Returns the counts of a query without new answers.
    pub(super) fn none_of(query: &QueryListed, cursor: &AnswersCursor) -> Self {
        // A failure can be counted without being stored; an answer with rows cannot. One that was just counted may only
        // be late.
        let counts = cursor.settled && query.executions > 0;
        Self {
            newest: counts.then_some((query.id, !cursor.nodes.is_empty())),
            ..Self::default()
        }
    }

    /// Adds the counts of another query.
    pub(super) fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.answers += other.answers;
        self.errors += other.errors;
        self.newest = self.newest.max(other.newest);
    }
}
