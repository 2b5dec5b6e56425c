//! Authenticated calls to the JSON API of a server, whichever product it is. Knows the contract, and nothing of queries,
//! polls or a particular fleet manager.

pub(crate) mod session;
