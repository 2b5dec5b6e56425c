//! The stream `reports`: an event for each row that a saved query has returned since its report was last read. Knows
//! the postures that the stream `hosts` remembers, and nothing of live queries.

mod context;
mod cursor;
mod hostnames;
mod list;
mod notices;
mod poll;
mod report;
mod rows;
mod stalled;

pub(super) use self::poll::poll;
