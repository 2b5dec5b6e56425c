//! The services that the host offers to a poll: where its batches of events go, and what it has remembered.

use super::services::Services;
use super::severity::Severity;

/// The services that the host offers to a poll, beside those of a step.
#[allow(async_fn_in_trait, reason = "a guest has one thread")]
pub trait PollServices: Services {
    /// Delivers a batch, and returns when the host has taken it.
    async fn deliver(&self, batch: Batch) -> Result<(), Closed>;
    /// Returns the values remembered under these keys.
    async fn recall(&self, keys: Vec<String>) -> Vec<Option<String>>;
    /// Returns the entries whose keys begin with `prefix`, in order, after the key `after`; none at the end.
    async fn entries(&self, prefix: &str, after: Option<String>, limit: u32) -> Vec<(String, String)>;
}

/// Events, and the changes to remember once they have arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// The encoded events, each with its severity.
    pub events: Vec<(String, Severity)>,
    /// The changes.
    pub changes: Vec<Change>,
}

/// A change to the remembered state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// The new value, or none to forget the key.
    pub value: Option<String>,
}

/// The host has stopped taking batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;
