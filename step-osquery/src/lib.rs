//! The osquery plugin: the step `osquery_live_query`, and the connectors `fleetdm` and `osctrl`.
//!
//! The code reaches the world only through [`services::Services`]. Compiled to WebAssembly, `component` implements them on
//! the contract's imports and exports them; compiled natively, tests and benchmarks implement them.

pub mod backend;
pub mod connector;
pub mod event;
pub mod failure;
pub mod finding;
mod fleet;
pub mod live_query;
mod osctrl;
pub mod params;
mod rows;
pub mod services;
mod session;
pub mod severity;
mod standstill;
pub mod tables;
pub mod tally;
pub mod template;

#[cfg(target_family = "wasm")]
mod component;
