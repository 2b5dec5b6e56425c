//! What has been in trouble for a while: it cannot be read, or it stands still although there is news.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Polls in a row after which trouble is told.
const ALARMING: u32 = 5;

/// How many polls in a row had the same trouble, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    times: u32,
    pub(crate) since: Timestamp,
}

impl Trouble {
    /// Counts a poll. Gives the state when it has just become alarming.
    pub(crate) fn count(slot: &mut Option<Self>, now: Timestamp) -> Option<&Self> {
        let trouble = slot.get_or_insert(Self { times: 0, since: now });
        trouble.times = trouble.times.saturating_add(1);
        (trouble.times == ALARMING).then_some(trouble)
    }

    /// Forgets the trouble. Gives the state if it was alarming.
    pub(crate) fn end(slot: &mut Option<Self>) -> Option<Self> {
        slot.take().filter(Self::is_alarming)
    }

    /// Forgets trouble that was not told.
    pub(crate) fn pass(slot: &mut Option<Self>) {
        *slot = slot.take().filter(Self::is_alarming);
    }

    fn is_alarming(&self) -> bool {
        self.times >= ALARMING
    }
}
