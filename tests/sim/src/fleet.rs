//! A Fleet server.
//!
//! Routes, bodies, statuses and the order of websocket frames follow what Fleet's own source does, in the shape of the
//! version the description names. Unknown paths are a plain 404, wrong tokens 401. Hosts, saved queries, the clock and the
//! faults can be changed while it runs.

mod description;
mod host_body;
mod hosts;
mod inventory;
mod live;
mod params;
mod queries;
mod reply;
mod report;
mod run;
mod saved;
mod script;
mod server;
mod socket;
mod state;
mod users;

pub use description::{Fleet, Team, User};
pub use inventory::HostStatus;
pub use saved::{Logging, SavedQuery};
pub use server::FleetServer;
pub use state::Campaign;
