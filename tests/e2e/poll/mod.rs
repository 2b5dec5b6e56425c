//! Connectors that are polled.

mod check;
mod command;
mod files;
mod fleet;
mod killed;
mod osctrl;
mod polled;
