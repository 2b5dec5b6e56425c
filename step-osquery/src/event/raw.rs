//! The original of an event: the server's own object, or the row.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_transcode::Transcoder;

use super::model::{About, Event};
use crate::osquery::Row;

/// The original of an event.
pub(super) enum Raw<'a> {
    /// An object of the server's, with whatever white space it was written.
    Server(&'a RawValue),
    Row(&'a Row),
    Notice {
        code: &'a str,
        id: &'a str,
        description: &'a str,
    },
    /// Text that no reader of the event could parse, such as half of a surrogate pair: the event is sent without it.
    Unreadable,
}

impl<'a> Raw<'a> {
    pub(super) fn of(event: &'a Event) -> Self {
        match &event.about {
            About::Host { raw, .. } => Self::Server(raw),
            About::Row { row, .. } => Self::Row(row),
            About::Notice { code } => Self::Notice {
                code,
                id: &event.external_id,
                description: &event.description,
            },
        }
    }
}

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // Value by value, without building a tree: a first poll spends most of its time here.
            Self::Server(text) => {
                Transcoder::new(&mut serde_json::Deserializer::from_str(text.get())).serialize(serializer)
            }
            Self::Row(row) => row.serialize(serializer),
            Self::Notice { code, id, description } => {
                let mut map = serializer.serialize_map(Some(3))?;
                map.serialize_entry("code", code)?;
                map.serialize_entry("id", id)?;
                map.serialize_entry("description", description)?;
                map.end()
            }
            Self::Unreadable => serializer.serialize_unit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::Value;

    use super::*;
    use crate::contract::Severity;
    use crate::event::{Format, Source};

    #[test]
    fn the_object_of_a_server_is_sent_on_one_line_or_not_at_all() {
        let source = Source {
            connector: "fleetdm",
            product: "FleetDM",
            origin: "https://fleet.corp.example".into(),
        };
        let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for (object, sent) in [
            ("{\n  \"id\": 1,\n  \"name\": \"a\\nb\"\n}", r#"{"id":1,"name":"a\nb"}"#),
            (
                r#"{"seen": 1.50, "big": 18446744073709551615}"#,
                r#"{"seen":1.5,"big":18446744073709551615}"#,
            ),
            (r#"{"name": "\ud800"}"#, "null"),
            (&nested, "null"),
        ] {
            let event = Event {
                about: About::Host {
                    status: "online".into(),
                    platform: "ubuntu".into(),
                    os_version: "Ubuntu 24.04".into(),
                    raw: RawValue::from_string(object.to_owned()).unwrap(),
                },
                severity: Severity::Info,
                title: "FleetDM host status: online".into(),
                description: String::new(),
                host: None,
                external_id: "1".into(),
                alert_id: "fleetdm-host-1-online".into(),
                dedupe_key: "0".repeat(32),
                time: Timestamp::UNIX_EPOCH,
            };
            for format in Format::ALL {
                let text = format.encode(&source, &event);
                assert!(!text.contains('\n'), "{text}");
                let encoded: Value = serde_json::from_str(&text).unwrap();
                if format.name == "aisoc" {
                    assert_eq!(encoded["raw_event"].to_string(), sent);
                }
                if format.name == "ocsf" {
                    assert_eq!(encoded["raw_data"], sent);
                }
            }
        }
    }
}
