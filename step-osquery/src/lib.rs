//! The osquery plugin: the step `osquery_live_query`, and the connectors `fleetdm` and `osctrl`.
//!
//! The code reaches the world only through [`contract::Services`]. Compiled to WebAssembly, `component` implements them on the
//! contract's imports and exports; compiled natively, tests and benchmarks implement them.
//!
//! Each room imports only rooms to the left of it:
//!
//! ```text
//! contract, text  <-  osquery, template, server  <-  { live_query | event <- polling }  <-  { fleet | osctrl }  <-  exports  <-  component
//! ```

pub mod contract;
pub mod event;
pub mod exports;
mod fleet;
pub mod live_query;
mod osctrl;
pub mod osquery;
pub mod polling;
pub mod server;
pub mod template;
mod text;

#[cfg(target_family = "wasm")]
mod component;
