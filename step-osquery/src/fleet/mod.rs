//! `FleetDM`: live queries through campaigns, and polls of its hosts and reports. Knows every room but `osctrl` and
//! `exports`.

mod access;
mod api;
mod config;
mod connector;
mod fleet_manager;
mod hosts;
mod live_query;
mod pages;
mod posture;
mod reports;
mod routes;
mod wire;

pub(crate) use self::connector::FleetConnector;
pub(crate) use self::fleet_manager::Fleet;
