//! The contract with the host, as the plugin's own code sees it: the services it can call, and the failures, findings and
//! severities it returns. Knows nothing of fleet managers, osquery or events.

mod failure;
mod finding;
mod services;
mod severity;

pub use self::failure::{Failure, Kind};
pub use self::finding::Finding;
pub use self::services::{
    Batch, Change, Closed, ConnectError, Deadline, Feeds, LONGEST_POLL, Level, Method, Request, Response, Services,
    Socket, TransportError, TransportKind,
};
pub use self::severity::Severity;
