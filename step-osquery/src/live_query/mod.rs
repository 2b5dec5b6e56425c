//! A live query: the targets, the statement, and the account of every target's answer. Knows servers in general and no
//! particular fleet manager, and nothing of polls and events.

pub(crate) mod query;
mod tally;

pub use self::query::{NAME, PARAMS_SCHEMA, RESULT_SCHEMA, SUMMARY, check, run};
pub use self::tally::{Answer, Outcome, Row, Sighting, Tally, ambiguous, text_row};
