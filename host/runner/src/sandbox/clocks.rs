//! The clocks that a call sees.

use jiff::Timestamp;

use crate::sandbox::transcript::Player;

/// The clocks that a call sees.
#[derive(Debug, Clone)]
pub(crate) enum Clocks {
    /// The system's.
    System,
    /// The system's, but that on the wall stands still at a moment.
    Fixed(Timestamp),
    /// Those of an earlier call.
    Played(Player),
}

impl Clocks {
    /// What the clock on the wall shows, in milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        match self {
            Self::System => {
                let now = crate::clock::now();
                // A clock set before 1970 reads as 1970.
                u64::try_from(now.as_millisecond()).unwrap_or_default()
            }
            Self::Fixed(moment) => u64::try_from(moment.as_millisecond()).unwrap_or_default(),
            Self::Played(player) => player.now(),
        }
    }
}
