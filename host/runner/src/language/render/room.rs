//! Room for the values that texts become. A little text can be filled with much data, and that again for each item of a list.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// What all values may take together, in bytes.
pub(super) const SIZE: usize = 64 << 20;

/// What is left for values. Clones are the same room.
#[derive(Clone)]
pub(super) struct Room(Arc<AtomicUsize>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(SIZE)))
    }
}

impl Room {
    /// Takes what a value needs. Returns whether there was so much.
    pub(super) fn take(&self, value: &Value) -> bool {
        let size = size(value);
        let left = |left: usize| left.checked_sub(size);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok()
    }
}

/// What a value takes in memory, about, in bytes.
fn size(value: &Value) -> usize {
    /// What an entry of a map costs besides its key and value.
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
