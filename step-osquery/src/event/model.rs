//! Events, before they are encoded in a format.

use std::rc::Rc;

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::contract::Severity;
use crate::osquery::Row;

/// The source of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The connector, for example `fleetdm`.
    pub connector: &'static str,
    /// The product, for people.
    pub product: &'static str,
    /// Scheme, host and port of the server.
    pub origin: String,
}

/// An event, before it is encoded in a format.
#[derive(Debug, Clone)]
pub struct Event {
    /// The subject, with its particulars.
    pub about: About,
    /// The severity.
    pub severity: Severity,
    /// One line for people. Alerts are collapsed by it, so the title of a severe event sets it apart from others of its
    /// kind.
    pub title: String,
    /// The particulars.
    pub description: String,
    /// The host, if there is one.
    pub host: Option<Rc<HostRef>>,
    /// The server's identifier of the subject.
    pub external_id: String,
    /// A name of the event for people, which is not unique.
    pub alert_id: String,
    /// A key that stays the same when the event is sent again, and differs from every other event's.
    pub dedupe_key: String,
    /// The time of the event, by the server's clock.
    pub time: Timestamp,
}

/// The subject of an event.
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
        /// The server's description of it.
        raw: Box<RawValue>,
    },
    /// A row that a query returned.
    Row {
        /// The query.
        query: Rc<QueryRef>,
        /// The row.
        row: Row,
    },
    /// The source itself.
    Notice {
        /// A stable word.
        code: String,
    },
}

/// A reference to a query, as the events of its rows hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryRef {
    /// Its name.
    pub name: String,
    /// Its id, or its name if it has no id.
    pub id: String,
    /// Its statement.
    pub sql: String,
    /// The table that decided the severity, if there was one.
    pub table: Option<String>,
}

/// A reference to a host, as an event holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRef {
    /// The server's identifier of it.
    pub id: String,
    /// Its hostname.
    pub hostname: String,
}
