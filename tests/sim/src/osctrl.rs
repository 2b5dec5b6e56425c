//! An osctrl server: its API, and the agents that poll it.
//!
//! Routes, bodies and statuses follow what osctrl's own source does, in the shape of the version the description names,
//! with what is dangerous about it: unknown fields are ignored, a query without a selector goes to whole environments, and
//! a query that does not exist is answered with zeros.

mod agents;
mod description;
mod environments;
mod lists;
mod nodes;
mod page;
mod queries;
mod query;
mod registry;
mod script;
mod server;
mod state;
mod targets;
mod users;

pub use description::{Levels, Osctrl, User};
pub use query::Query;
pub use script::Oddity;
pub use server::OsctrlServer;
