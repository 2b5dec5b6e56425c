//! The osquery plugin: the step `osquery_live_query`, and the connectors `fleetdm` and `osctrl`.
//!
//! The code reaches the world only through [`contract::Services`]. Compiled to WebAssembly, `component` implements them
//! on the contract's imports and exports; compiled natively, tests and benchmarks implement them.
//!
//! Each room imports only rooms above it, and rooms side by side in braces do not know each other:
//!
//! ```text
//! contract, text                      the services of the host; failures, findings and severities
//! { osquery | template | server }     rows and tables; the allowlist; calls to a server
//! { live_query | event <- polling }   a question and its answers; events, and the polls that find them
//! { fleet | osctrl }                  one room for each fleet manager
//! exports                             the step type and the connector types
//! component                           the bindings, in WebAssembly only
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
