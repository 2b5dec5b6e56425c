//! The format of `AiSOC`: canonical fields, and the columns of a row beside them.

use jiff::Timestamp;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::model::{About, Event, Source};
use super::raw::Raw;
use crate::osquery::Row;

/// The fields of a row's event, which a column cannot replace.
const FIELDS: [&str; 17] = [
    "source",
    "category",
    "kind",
    "event_type",
    "severity",
    "title",
    "description",
    "alert_id",
    "hostname",
    "host",
    "external_id",
    "osquery_table",
    "query_name",
    "dedupe_key",
    "time",
    "timestamp",
    "raw_event",
];

#[derive(Serialize)]
struct Envelope<'a> {
    source: &'a str,
    category: &'a str,
    kind: &'a str,
    event_type: &'a str,
    severity: &'a str,
    title: &'a str,
    description: &'a str,
    alert_id: &'a str,
    hostname: Option<&'a str>,
    host: Option<&'a str>,
    external_id: &'a str,
    #[serde(flatten)]
    about: Particulars<'a>,
    dedupe_key: &'a str,
    // AiSOC looks at `time` first, and osquery has columns of that name.
    time: Timestamp,
    timestamp: Timestamp,
    raw_event: &'a Raw<'a>,
    #[serde(flatten)]
    columns: Columns<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Particulars<'a> {
    Host {
        status: &'a str,
        platform: &'a str,
        os_version: &'a str,
    },
    Row {
        osquery_table: Option<&'a str>,
        query_name: &'a str,
    },
    Notice {
        code: &'a str,
    },
}

/// The columns of a row, if it is an event of one.
struct Columns<'a>(Option<&'a Row>);

impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (column, value) in self.0.into_iter().flatten() {
            if !FIELDS.contains(&column.as_str()) {
                map.serialize_entry(column, value)?;
            }
        }
        map.end()
    }
}

pub(super) fn encode(source: &Source, event: &Event, raw: &Raw<'_>) -> serde_json::Result<String> {
    let (kind, event_type, about) = match &event.about {
        About::Host {
            status,
            platform,
            os_version,
            ..
        } => {
            let event_type = if status == "flapping" {
                "host_flapping"
            } else {
                "host_status"
            };
            let about = Particulars::Host {
                status,
                platform,
                os_version,
            };
            ("host", event_type, about)
        }
        About::Row { query, .. } => {
            let about = Particulars::Row {
                osquery_table: query.table.as_deref(),
                query_name: &query.name,
            };
            ("query_row", "osquery_query_row", about)
        }
        About::Notice { code } => ("notice", "connector_notice", Particulars::Notice { code }),
    };
    let hostname = event.host.as_ref().map(|host| host.hostname.as_str());
    serde_json::to_string(&Envelope {
        source: source.connector,
        category: "endpoint",
        kind,
        event_type,
        severity: event.severity.word(),
        title: &event.title,
        description: &event.description,
        alert_id: &event.alert_id,
        hostname,
        host: hostname,
        external_id: &event.external_id,
        about,
        dedupe_key: &event.dedupe_key,
        time: event.time,
        timestamp: event.time,
        raw_event: raw,
        columns: Columns(match &event.about {
            About::Row { row, .. } => Some(row),
            About::Host { .. } | About::Notice { .. } => None,
        }),
    })
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use serde_json::{Map, Value};

    use super::*;
    use crate::contract::Severity;
    use crate::event::QueryRef;

    fn encoded(row: Row) -> Map<String, Value> {
        let source = Source {
            connector: "fleetdm",
            product: "FleetDM",
            origin: "https://fleet.corp.example".into(),
        };
        let query = QueryRef {
            name: "ports".into(),
            id: "7".into(),
            sql: "SELECT * FROM listening_ports".into(),
            table: None,
        };
        let event = Event {
            about: About::Row {
                query: Rc::new(query),
                row,
            },
            severity: Severity::Medium,
            title: "FleetDM query: ports".into(),
            description: String::new(),
            host: None,
            external_id: "7".into(),
            alert_id: "fleetdm-q7".into(),
            dedupe_key: "0".repeat(32),
            time: Timestamp::UNIX_EPOCH,
        };
        let text = encode(&source, &event, &Raw::of(&event)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_column_stands_beside_the_fields_and_replaces_none() {
        let plain = encoded(Row::new());
        assert_eq!(plain.keys().collect::<Vec<_>>(), FIELDS);
        let columns = FIELDS.into_iter().chain(["port"]);
        let row: Row = columns.map(|column| (column.to_owned(), "a column".into())).collect();
        let mut with_columns = encoded(row.clone());
        assert_eq!(with_columns.remove("port"), Some("a column".into()));
        assert_eq!(with_columns["raw_event"], Value::Object(row));
        with_columns["raw_event"] = plain["raw_event"].clone();
        assert_eq!(with_columns, plain);
    }
}
