//! FleetDM: live queries through campaigns, and polls of its hosts and reports. Knows the rooms below it and not `osctrl`.

mod access;
mod api;
mod connector;
mod hosts;
mod live_query;
mod pages;
mod reports;
mod wire;

pub(crate) use self::connector::FleetSource;
pub(crate) use self::live_query::Fleet;
