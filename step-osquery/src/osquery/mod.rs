//! What osquery itself defines, whichever fleet manager is in front of it: the tables that a statement reads. Knows nothing
//! of servers or of the host.

mod tables;

pub use self::tables::{NoQuery, tables};
