//! The Elastic Common Schema, with a row's columns under `osquery`.

use serde_json::{Map, Value, json};

use super::model::{About, Event, Source};
use super::raw::Raw;
use crate::contract::Severity;

pub(super) fn encode(source: &Source, event: &Event, _: &Raw<'_>) -> serde_json::Result<String> {
    let (kind, action, dataset) = match &event.about {
        About::Host { status, .. } => ("state", format!("host-{status}"), "host".to_owned()),
        About::Row { .. } => ("event", "snapshot".to_owned(), "result".to_owned()),
        About::Notice { code } => ("event", code.clone(), "notice".to_owned()),
    };
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("@timestamp", json!(event.time));
    put("ecs", json!({"version": "8.17.0"}));
    put("message", event.title.as_str().into());
    put(
        "event",
        json!({
            "id": event.dedupe_key,
            "kind": kind,
            "category": ["host"],
            "type": ["info"],
            "action": action,
            "module": source.connector,
            "dataset": format!("{}.{dataset}", if dataset == "result" { "osquery" } else { source.connector }),
            "severity": severity(event.severity),
            "provider": source.connector,
            "reason": event.description,
            "reference": source.origin,
        }),
    );
    put("observer", json!({"vendor": source.product, "product": source.product}));
    put("labels", json!({"severity": event.severity.word()}));
    if let Some(host) = &event.host {
        let mut named = json!({"id": host.id, "name": host.hostname, "hostname": host.hostname});
        if let About::Host {
            platform, os_version, ..
        } = &event.about
        {
            named["os"] = json!({"platform": platform, "full": os_version});
        }
        put("host", named);
    }
    if let About::Row { query, row } = &event.about {
        put("rule", json!({"id": query.id, "name": query.name}));
        put("osquery", Value::Object(row.clone()));
        put("osquery_meta", json!({"table": query.table}));
    }
    serde_json::to_string(&fields)
}

/// ECS leaves the numbers to the source: these are syslog's idea of urgency turned around, as Elastic's own rules
/// score.
fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Low => 21,
        Severity::Medium => 47,
        Severity::High => 73,
    }
}
