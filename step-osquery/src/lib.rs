//! The osquery plugin.

pub mod template;
