//! The osquery plugin: the step `osquery_live_query`, and the connectors `fleetdm` and `osctrl`.
//!
//! The code reaches the world only through [`contract::Services`]. Compiled to WebAssembly, `component` implements
//! them on the contract's imports and exports them; compiled natively, tests and benchmarks implement them.

pub mod contract;
pub mod event;
pub mod exports;
mod fleet;
pub mod live_query;
mod osctrl;
pub mod osquery;
mod polling;
mod server;
pub mod template;

#[cfg(target_family = "wasm")]
mod component;
