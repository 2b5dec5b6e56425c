//! The osquery plugin: the step `osquery_live_query`.
//!
//! The code reaches the world only through [`services::Services`]. Compiled to WebAssembly, `component` implements them on
//! the contract's imports and exports the step; compiled natively, tests and benchmarks implement them.

pub mod backend;
pub mod failure;
mod fleet;
pub mod live_query;
mod osctrl;
pub mod params;
pub mod services;
mod session;
pub mod tally;
pub mod template;

#[cfg(target_family = "wasm")]
mod component;
