//! A step against simulated Fleet and osctrl servers.

mod both;
mod fleet;
mod osctrl;
mod sessions;
