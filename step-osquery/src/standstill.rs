//! What has been failing for a while.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Failures in a row after which something is said to stand still.
const ALARMING: u32 = 5;

/// How often in a row something could not be read, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failing {
    times: u32,
    pub(crate) since: Timestamp,
}

impl Failing {
    /// Counts a failure. Gives the state when it has just become alarming.
    pub(crate) fn count(slot: &mut Option<Self>, now: Timestamp) -> Option<&Self> {
        let failing = slot.get_or_insert(Self { times: 0, since: now });
        failing.times += 1;
        (failing.times == ALARMING).then_some(failing)
    }

    /// Forgets the failures. Gives the state if it was alarming.
    pub(crate) fn end(slot: &mut Option<Self>) -> Option<Self> {
        slot.take().filter(|failing| failing.times >= ALARMING)
    }
}
