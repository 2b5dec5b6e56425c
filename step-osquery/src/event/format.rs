//! A format in which events are sent.

use super::model::{Event, Source};
use super::raw::Raw;

/// A format of events.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Its name.
    pub name: &'static str,
    /// JSON Schema of an event.
    pub schema: &'static str,
    pub(super) encode: fn(&Source, &Event, &Raw<'_>) -> serde_json::Result<String>,
}

impl Format {
    /// Encodes an event as one JSON object.
    pub fn encode(self, source: &Source, event: &Event) -> String {
        let encoded = (self.encode)(source, event, &Raw::of(event));
        encoded
            .or_else(|_| (self.encode)(source, event, &Raw::Unreadable))
            .expect("everything but the server's own object is made of plain texts and numbers")
    }
}
