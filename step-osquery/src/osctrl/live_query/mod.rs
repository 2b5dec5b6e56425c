//! Live queries of osctrl. Knows nothing of polls.
//!
//! The query is a *distributed query*: agents fetch it when they check in, and their answers are read by polling.
//! osctrl sends a query that selects no node to every node, so the nodes are looked up first and selected by uuid, and
//! the server's selection is read back. A query lives on when nobody listens: it is expired when it is given up.

mod collected;
mod distributed_query;
mod follow;
mod resolve;

pub(super) use self::distributed_query::start;
pub(super) use self::follow::follow;
pub(super) use self::resolve::resolve;
