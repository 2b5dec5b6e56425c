//! Live queries of Fleet. Knows nothing of polls.
//!
//! The hosts of a live query are looked up first and asked by id, since Fleet silently drops names that it does not
//! know. The query is a *campaign*: it lives as long as the websocket on which the answers arrive, and closing that is
//! the only way to stop it.

mod ask;
mod campaign;
mod frame;
mod per_host;
mod resolve;

pub(super) use self::ask::ask;
pub(super) use self::resolve::resolve;
