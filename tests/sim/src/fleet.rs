//! A Fleet server.
//!
//! Routes, bodies, statuses and the order of websocket frames follow what Fleet's own source does, in the shape of the
//! version the description names. Unknown paths are a plain 404, wrong tokens 401.

mod description;
mod live;
mod reply;
mod rest;
mod server;
mod socket;
mod state;

pub use description::{Fleet, User};
pub use server::FleetServer;
pub use state::Campaign;
