//! Reads the sources of a crate and finds out which file imports which.
//!
//! Paths are resolved to the file that defines what they name: through `pub use`, globs, `self` and `super`. Tests inside
//! the sources may import what they like and are left out.

mod graph;
mod imports;
mod modules;
mod public_api;

pub use graph::Graph;
pub use imports::Import;
pub use modules::Crate;
