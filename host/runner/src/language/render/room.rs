//! The memory for rendered values. A short template can be filled with much data, and again for each item of a list.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// The most memory that all values may take together, in bytes.
pub(super) const SIZE: usize = 64 << 20;

/// The memory that is left for values. Clones share it.
#[derive(Clone)]
pub(super) struct Room(Arc<AtomicUsize>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(SIZE)))
    }
}

impl Room {
    /// Takes the memory of a value, and returns false if not enough is left.
    pub(super) fn take(&self, value: &Value) -> bool {
        let size = size(value);
        let left = |left: usize| left.checked_sub(size);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok()
    }
}

/// Estimates the memory of a value, in bytes.
fn size(value: &Value) -> usize {
    /// The cost of a map's entry besides its key and value.
    const ENTRY: usize = 48;
    let within = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| ENTRY + key.len() + size(value));
            entries.sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + within
}
