//! A poll under way.

use super::options::Options;
use crate::contract::{Batch, Change, Failure, FailureKind, PollServices};
use crate::event::{Event, Format, Source};
use crate::server::Session;

/// The number of remembered entries that are read at once.
const ENTRIES_AT_ONCE: u32 = 5_000;

/// The outcome of a poll.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// A summary for people.
    pub message: String,
    /// The parts that failed while the rest went on.
    pub failures: Vec<String>,
}

/// A poll under way.
pub(crate) struct Poll<'a, S, A> {
    pub(crate) services: &'a S,
    pub(crate) session: Session<'a, S, A>,
    pub(crate) source: Source,
    pub(crate) options: Options,
    pub(super) format: Format,
}

impl<S: PollServices, A> Poll<'_, S, A> {
    /// Delivers events, and the changes to remember once they have arrived.
    pub(crate) async fn deliver(&self, events: &[Event], changes: Vec<Change>) -> Result<(), Failure> {
        if events.is_empty() && changes.is_empty() {
            return Ok(());
        }
        let encoded = |event: &Event| (self.format.encode(&self.source, event), event.severity);
        let batch = Batch {
            events: events.iter().map(encoded).collect(),
            changes,
        };
        let delivered = self.services.deliver(batch).await;
        delivered.map_err(|_| Failure::new(FailureKind::Cancelled, "nobody takes the events any more"))
    }

    /// Returns the value remembered under a key.
    pub(crate) async fn recall(&self, key: &str) -> Option<String> {
        let mut found = self.services.recall(vec![key.to_owned()]).await;
        found.pop().flatten()
    }

    /// Reads all entries remembered under keys with this prefix, which `read` gets without it.
    pub(crate) async fn entries<T>(&self, prefix: &str, read: impl Fn(&str, String) -> Option<T>) -> Vec<T> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let part = self.services.entries(prefix, after, ENTRIES_AT_ONCE).await;
            let Some((last, _)) = part.last() else { return all };
            after = Some(last.clone());
            all.extend(
                part.into_iter()
                    .filter_map(|(key, value)| read(key.strip_prefix(prefix)?, value)),
            );
        }
    }
}
