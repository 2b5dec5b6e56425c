//! What connectors remember, and the batch that is on its way.

use std::error::Error;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::sandbox::quota::Quota;

/// Events, and what is to be remembered once they have arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Batch {
    /// The events: one JSON object each.
    pub events: Vec<EventText>,
    /// The changes, made together.
    pub changes: Vec<Change>,
}

/// An event as it is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventText {
    /// One JSON object, on one line.
    pub json: String,
    /// How much it matters: `info`, `low`, `medium`, `high` or `critical`.
    pub severity: Severity,
}

impl Batch {
    /// A batch of events and changes.
    pub fn new(events: Vec<EventText>, changes: Vec<Change>) -> Self {
        Self { events, changes }
    }
}

impl EventText {
    /// An event: one JSON object on one line.
    pub fn new(json: impl Into<String>, severity: Severity) -> Self {
        Self {
            json: json.into(),
            severity,
        }
    }
}

impl Change {
    /// A change of one key; without a value the entry is removed.
    pub fn new(key: impl Into<String>, value: Option<String>) -> Self {
        Self { key: key.into(), value }
    }
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

/// A change of what is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Change {
    /// The key.
    pub key: String,
    /// The new text; none removes the entry.
    pub value: Option<String>,
}

impl Batch {
    /// How many bytes the changes take, in the store and here.
    pub(crate) fn remembered(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let changes = self
            .changes
            .iter()
            .map(|change| size_of::<Change>() + change.key.len() + text(&change.value));
        changes.sum()
    }
}

/// Remembers texts under keys, for one connector. Whatever a function has returned from survives a crash.
///
/// Deliveries are journaled: [`begin`](Self::begin) keeps a batch before it is delivered, and [`commit`](Self::commit) makes
/// its changes once it was acknowledged. What a crash leaves between the two is [`pending`](Self::pending), and is delivered
/// again as it was.
pub trait Store: Send + Sync + 'static {
    /// The texts under these keys.
    fn get(&self, keys: &[String]) -> Result<Vec<Option<String>>, StoreError>;

    /// At most `limit` entries whose keys begin with `prefix` and come after the key `after`, in order: no more than take
    /// `bytes` bytes, but at least one if there is one.
    fn entries(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<(String, String)>, StoreError>;

    /// How many bytes the keys and texts take.
    fn size(&self) -> Result<u64, StoreError>;

    /// The batch that was begun and not committed.
    fn pending(&self) -> Result<Option<Batch>, StoreError>;

    /// Keeps a batch that is about to be delivered. There is one at a time.
    fn begin(&self, batch: &Batch) -> Result<(), StoreError>;

    /// Makes changes, and forgets the pending batch.
    fn commit(&self, changes: &[Change]) -> Result<(), StoreError>;
}

/// Why a store does not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process uses it.
    #[error("`{path}` is in use by another process; a connector is polled by one process at a time")]
    InUse {
        /// The store.
        path: String,
    },
    /// It remembers something else.
    #[error(
        "`{path}` remembers {found}, and not {wanted}; give the connector another name, or remove the file to start anew"
    )]
    Foreign {
        /// The store.
        path: String,
        /// What it remembers.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// It cannot be read or written.
    #[error("cannot use `{path}`: {source}")]
    Broken {
        /// The store.
        path: String,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A store as a plugin sees it: to be read, and without the host's own entries.
#[derive(Clone)]
pub(crate) struct Memory(Option<Arc<dyn Store>>);

/// What the keys of plugins and of the host begin with in a store.
const PLUGINS: &str = "p/";
const HOSTS: &str = "h/";

/// Entries given at once, at most, and the most bytes of them.
const ENTRIES: u32 = 10_000;
const ENTRY_BYTES: usize = 8 << 20;

/// How many entries are read before their bytes are counted.
const COUNTED: usize = 16;

/// Why entries are not given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Forgotten {
    /// More was asked for than is given at once.
    #[error(transparent)]
    Quota(Quota),
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Memory {
    /// Nothing is remembered.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn of(store: Arc<dyn Store>) -> Self {
        Self(Some(store))
    }

    pub(crate) fn get(&self, keys: &[String]) -> Result<Vec<Option<String>>, Forgotten> {
        let Some(store) = &self.0 else {
            return Ok(vec![None; keys.len()]);
        };
        let mut found = Vec::with_capacity(keys.len());
        let mut bytes = 0;
        for keys in keys.chunks(COUNTED) {
            let keys: Vec<String> = keys.iter().map(|key| plugins_key(key)).collect();
            let part = store.get(&keys)?;
            bytes += part.iter().flatten().map(String::len).sum::<usize>();
            if bytes > ENTRY_BYTES {
                return Err(Forgotten::Quota(Quota {
                    what: "the entries that it asks for at once",
                    many: true,
                    limit: ENTRY_BYTES,
                }));
            }
            found.extend(part);
        }
        Ok(found)
    }

    pub(crate) fn entries(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let Some(store) = &self.0 else { return Ok(Vec::new()) };
        let after = after.map(plugins_key);
        let limit = limit.min(ENTRIES) as usize;
        let found = store.entries(&plugins_key(prefix), after.as_deref(), limit, ENTRY_BYTES)?;
        let own = found
            .into_iter()
            .map(|(key, value)| (key[PLUGINS.len()..].to_owned(), value));
        Ok(own.collect())
    }
}

/// A plugin's key as it stands in a store.
pub(crate) fn plugins_key(key: &str) -> String {
    format!("{PLUGINS}{key}")
}

/// A key of the host's own as it stands in a store.
pub(crate) fn hosts_key(key: &str) -> String {
    format!("{HOSTS}{key}")
}

/// Runs what waits for the disk where it holds up nobody.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
