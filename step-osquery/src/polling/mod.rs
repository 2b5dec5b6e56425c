//! A poll of a connector: its options, the state it remembers, the batches it delivers. Knows events and servers in
//! general, and no particular fleet manager; nothing of live queries.

mod config;
mod connector;
mod options;
mod poll;
mod run;
mod state;
mod trouble;

pub use self::config::Settings;
pub(crate) use self::connector::Connector;
pub use self::options::{Initial, Options, RowSelection};
pub(crate) use self::poll::Poll;
pub use self::poll::Summary;
pub(crate) use self::run::{check, encode_notice, poll};
pub(crate) use self::state::{forget, remember};
pub(crate) use self::trouble::Trouble;
