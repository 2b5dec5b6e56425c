//! Trouble that lasts: something that cannot be read, or that stands still although there is news.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The number of polls in a row after which trouble is reported.
const ALARMING: u32 = 5;

/// Trouble that polls in a row have had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    times: u32,
    pub(crate) since: Timestamp,
}

impl Trouble {
    /// Counts a poll, and returns the trouble when it has just become alarming.
    pub(crate) fn count(slot: &mut Option<Self>, now: Timestamp) -> Option<&Self> {
        let trouble = slot.get_or_insert(Self { times: 0, since: now });
        trouble.times = trouble.times.saturating_add(1);
        (trouble.times == ALARMING).then_some(trouble)
    }

    /// Forgets the trouble, and returns it if it was alarming.
    pub(crate) fn end(slot: &mut Option<Self>) -> Option<Self> {
        slot.take().filter(Self::is_alarming)
    }

    /// Forgets trouble that was not reported.
    pub(crate) fn pass(slot: &mut Option<Self>) {
        *slot = slot.take().filter(Self::is_alarming);
    }

    fn is_alarming(&self) -> bool {
        self.times >= ALARMING
    }
}
