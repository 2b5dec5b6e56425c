//! The stream `answers`: an event for each row of each answer to a distributed query. Knows nothing of starting live
//! queries.
//!
//! An answer is stamped and counted before it can be read, and comes whenever its node checks in, which may be long
//! after the query was made. So a query is read again when its counters have moved, and goes on being read until they
//! have stood still for as long as an answer may take to be stored.

mod context;
mod counts;
mod cursor;
mod earlier;
mod hostnames;
mod list;
mod listed_query;
mod notices;
mod owed;
mod poll;
mod read;

pub(super) use self::poll::poll;
