//! Notices: events about a source itself.

use jiff::Timestamp;

use super::digest::digest_of;
use super::model::{About, Event, Source};
use crate::contract::Severity;

/// A statement about a source, such as that it cannot be read.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "documented in the contract")]
pub struct Notice {
    pub code: String,
    /// Sets it apart from other notices with the same code.
    pub id: String,
    pub severity: Severity,
    pub title: String,
    pub description: String,
    pub time: Timestamp,
}

impl Notice {
    /// Returns the notice as an event of this source.
    pub(crate) fn into_event(self, source: &Source) -> Event {
        let Self {
            code,
            id,
            severity,
            title,
            description,
            time,
        } = self;
        let dedupe_key = digest_of(&[source.connector, &source.origin, "notice", &code, &id]);
        Event {
            alert_id: format!("{}-{code}-{id}", source.connector),
            about: About::Notice { code },
            severity,
            title,
            description,
            host: None,
            external_id: id,
            dedupe_key,
            time,
        }
    }
}
