//! Connectors that are polled.

mod check;
pub(crate) mod command;
mod files;
mod fleet;
mod killed;
mod osctrl;
pub(crate) mod polled;
