//! The contract with the host, as the plugin's own code sees it: the services it can call, and the failures, findings
//! and severities it returns. Knows nothing of fleet managers, osquery or events.

mod deadline;
mod failure;
mod finding;
mod http;
mod poll_services;
mod services;
mod severity;
mod transport_failure;

pub use self::deadline::Deadline;
pub use self::failure::{Failure, FailureKind};
pub use self::finding::Finding;
pub use self::http::{ConnectError, Method, Request, Response, TransportError, TransportKind};
pub use self::poll_services::{Batch, Change, Closed, PollServices};
pub use self::services::{Level, Services, Socket};
pub use self::severity::Severity;
