//! osctrl: live queries through distributed queries, and polls of their answers. Knows the rooms below it and not `fleet`.

mod answers;
mod api;
mod connector;
mod environment;
mod live_query;
mod nodes;
mod wire;

pub(crate) use self::connector::OsctrlSource;
pub(crate) use self::live_query::Osctrl;
