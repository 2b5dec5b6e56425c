//! osctrl: live queries through distributed queries, and polls of their answers. Knows every room but `fleet` and
//! `exports`.

mod access;
mod answers;
mod api;
mod connector;
mod environment;
mod fleet_manager;
mod live_query;
mod node_uuid;
mod nodes;
mod results;
mod wire;

pub(crate) use self::connector::OsctrlConnector;
pub(crate) use self::fleet_manager::Osctrl;
