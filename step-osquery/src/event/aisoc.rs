//! `AiSOC`'s envelope: canonical fields, and a row's columns beside them.

use serde_json::{Map, Value, json};

use super::{About, Event, Source};

pub(super) fn spell(source: &Source, event: &Event) -> Map<String, Value> {
    let (kind, event_type) = match &event.about {
        About::Host { status, .. } if status == "flapping" => ("host", "host_flapping"),
        About::Host { .. } => ("host", "host_status"),
        About::Row { .. } => ("query_row", "osquery_query_row"),
        About::Notice { .. } => ("notice", "connector_notice"),
    };
    let mut spelt = Map::new();
    let mut put = |name: &str, value: Value| spelt.insert(name.to_owned(), value);
    put("source", source.connector.into());
    put("category", "endpoint".into());
    put("kind", kind.into());
    put("event_type", event_type.into());
    put("severity", event.severity.word().into());
    put("title", event.title.as_str().into());
    put("description", event.description.as_str().into());
    put("alert_id", event.alert_id.as_str().into());
    let hostname = event.host.as_ref().map(|host| host.hostname.as_str());
    put("hostname", hostname.into());
    put("host", hostname.into());
    put("external_id", event.external_id.as_str().into());
    match &event.about {
        About::Host {
            status,
            platform,
            os_version,
        } => {
            put("status", status.as_str().into());
            put("platform", platform.as_str().into());
            put("os_version", os_version.as_str().into());
        }
        About::Row { query, table, .. } => {
            put("osquery_table", table.as_deref().into());
            put("query_name", query.as_str().into());
        }
        About::Notice { code } => {
            put("code", code.as_str().into());
        }
    }
    put("dedupe_key", event.dedupe_key.as_str().into());
    // AiSOC looks at `time` first, and osquery has columns of that name.
    put("time", json!(event.time));
    put("timestamp", json!(event.time));
    put("raw_event", event.raw.clone());
    if let About::Row { row, .. } = &event.about {
        for (column, value) in row {
            if !spelt.contains_key(column) {
                spelt.insert(column.clone(), value.clone());
            }
        }
    }
    spelt
}
