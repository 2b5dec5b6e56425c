//! Simulated fleet managers whose osquery hosts really run the SQL they are sent.
//!
//! For tests, benchmarks and `playbook demo`. The servers listen on loopback only, know the paths that the real ones have
//! and no others, and share no code with the plugin they are asked by.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a simulated server has a clock and connections of its own"
)]

mod clock;
mod fault;
pub mod fleet;
mod front;
mod host;
mod login_limit;
pub mod osctrl;
pub mod osquery;
pub mod scripted_fleet;
mod server;

pub use fault::{Fault, What};
pub use front::Request;
pub use host::{Behaviour, Host};
pub use server::Server;
