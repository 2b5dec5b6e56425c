//! Events and the formats in which they are sent. Knows osquery's rows and tables, and nothing of how events were found
//! or where they go.

mod aisoc;
mod digest;
mod ecs;

mod format;
mod formats;
mod model;
mod notice;
mod ocsf;
mod raw;
mod row_events;
mod severity_rules;

pub(crate) use self::digest::{digest_of, row_digest};
pub use self::format::Format;
pub use self::model::{About, Event, HostRef, QueryRef, Source};
pub use self::notice::Notice;
pub(crate) use self::row_events::{BATCH_SIZE, RowEvents};
