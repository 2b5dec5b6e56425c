//! Events, and the forms in which they are spelt.

mod aisoc;
mod ecs;
mod ocsf;
mod raw;
pub(crate) mod rows;

use std::rc::Rc;

use jiff::Timestamp;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use self::raw::Raw;
use crate::contract::Severity;
use crate::contract::{Failure, Kind};
use crate::live_query::Row;

/// Where events come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The connector, for example `fleetdm`.
    pub connector: &'static str,
    /// The product, for people.
    pub product: &'static str,
    /// Scheme, host and port of the server.
    pub origin: String,
}

/// Something that happened, before it is spelt.
#[derive(Debug, Clone)]
pub struct Event {
    /// What it is about.
    pub about: About,
    /// How much it matters.
    pub severity: Severity,
    /// One line for people. It tells a severe event from others of its kind, since alerts are collapsed by it.
    pub title: String,
    /// The particulars.
    pub description: String,
    /// The host, if there is one.
    pub host: Option<Rc<HostName>>,
    /// What the server calls the thing.
    pub external_id: String,
    /// Names the event for people; not unique.
    pub alert_id: String,
    /// The same when the same event is told again, and different from every other event's.
    pub dedupe_key: String,
    /// When it happened, by the server's clock.
    pub time: Timestamp,
}

/// What an event is about.
#[derive(Debug, Clone)]
pub enum About {
    /// The posture of a host.
    Host {
        /// Its status, or `flapping`.
        status: String,
        /// Its platform.
        platform: String,
        /// Its operating system.
        os_version: String,
        /// What the server said of it.
        raw: Box<RawValue>,
    },
    /// A row that a query returned.
    Row {
        /// The query.
        query: Rc<Query>,
        /// The row.
        row: Row,
    },
    /// The source itself.
    Notice {
        /// A stable word.
        code: String,
    },
}

/// A query, as the events of its rows name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Its name.
    pub name: String,
    /// Its id or, where it has none, its name.
    pub id: String,
    /// Its statement.
    pub sql: String,
    /// The table that decided the severity.
    pub table: Option<String>,
}

/// A host as an event names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    /// What the server knows it by.
    pub id: String,
    /// Its hostname.
    pub hostname: String,
}

/// A form of events.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Its name.
    pub name: &'static str,
    /// JSON Schema of an event.
    pub schema: &'static str,
    spell: fn(&Source, &Event, &Raw<'_>) -> serde_json::Result<String>,
}

impl Format {
    /// All forms; the first is the usual one.
    pub const ALL: [Self; 3] = [
        Self {
            name: "aisoc",
            schema: include_str!("../../../schemas/event.schema.json"),
            spell: aisoc::spell,
        },
        Self {
            name: "ocsf",
            schema: include_str!("../../../schemas/event.ocsf.schema.json"),
            spell: ocsf::spell,
        },
        Self {
            name: "ecs",
            schema: include_str!("../../../schemas/event.ecs.schema.json"),
            spell: ecs::spell,
        },
    ];

    /// The form of this name.
    pub fn named(name: &str) -> Result<Self, Failure> {
        Self::ALL.into_iter().find(|format| format.name == name).ok_or_else(|| {
            let known = Self::ALL.map(|format| format.name).join(", ");
            Failure::new(Kind::InvalidParams, format!("events can be spelt as {known}"))
        })
    }

    /// The event as one JSON object.
    pub fn spell(self, source: &Source, event: &Event) -> String {
        let spelt = (self.spell)(source, event, &Raw::of(event));
        spelt
            .or_else(|_| (self.spell)(source, event, &Raw::Unreadable))
            .expect("all but what a server said are plain texts and numbers")
    }
}

/// A key made of parts: half of a SHA-256, in hexadecimal. A part cannot run into the next.
pub fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize()[..16])
}

/// What a row holds, whatever the order of its columns.
pub fn content(row: &Row) -> String {
    let mut columns: Vec<_> = row.iter().collect();
    columns.sort_unstable_by_key(|(column, _)| *column);
    let mut hash = Sha256::new();
    for (column, value) in columns {
        for text in [column.as_str(), value.as_str().unwrap_or_default()] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
    }
    hex(&hash.finalize()[..8])
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

/// The first characters of a text.
pub fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A row in one line, for titles.
pub fn row_in_words(row: &Row) -> String {
    let columns: Vec<String> = row
        .iter()
        .filter_map(|(column, value)| match value.as_str() {
            Some("") | None => None,
            Some(text) => Some(format!("{column}={}", cut(text, 60))),
        })
        .collect();
    cut(&columns.join(" "), 200)
}
