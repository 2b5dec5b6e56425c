//! The parts of osquery that are the same behind every fleet manager: its rows, and the tables that a statement reads.
//! Knows nothing of servers or of the host.

mod row;
mod tables;

pub use self::row::{Row, text_row};
pub use self::tables::{NotAQuery, tables};
