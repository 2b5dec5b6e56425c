//! Simulated fleet managers whose osquery hosts really run the SQL they are sent.
//!
//! For tests, benchmarks and `playbook demo`. The servers listen on loopback only, know the paths that the real ones have
//! and no others, and share no code with the plugin they are asked by.

pub mod fleet;
pub mod osquery;
