//! What polling counts, and where it is served.

mod counters;
mod server;

pub(crate) use counters::Metrics;
pub(crate) use server::serve;
