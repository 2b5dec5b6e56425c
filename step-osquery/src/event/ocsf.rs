//! The Open Cybersecurity Schema Framework: rows are Live Evidence Info (5040), posture is Device Inventory Info
//! (5001), and a notice about the source itself is a Base Event.

use serde_json::{Map, Value, json};

use super::model::{About, Event, Source};
use super::raw::Raw;
use crate::contract::Severity;
use crate::osquery::Row;

/// The version of the schema.
const VERSION: &str = "1.6.0";

/// An event class: its id and name, and an activity of it with its name.
struct Class {
    uid: u64,
    name: &'static str,
    category: (u64, &'static str),
    activity: (u64, &'static str),
}

const LIVE_EVIDENCE: Class = Class {
    uid: 5040,
    name: "Live Evidence Info",
    category: (5, "Discovery"),
    activity: (1, "Exists"),
};

const DEVICE_INVENTORY: Class = Class {
    uid: 5001,
    name: "Device Inventory Info",
    category: (5, "Discovery"),
    activity: (2, "Collect"),
};

const BASE_EVENT: Class = Class {
    uid: 0,
    name: "Base Event",
    category: (0, "Uncategorized"),
    activity: (99, "Notice"),
};

pub(super) fn encode(source: &Source, event: &Event, raw: &Raw<'_>) -> serde_json::Result<String> {
    let class = match &event.about {
        About::Host { .. } => DEVICE_INVENTORY,
        About::Row { .. } => LIVE_EVIDENCE,
        About::Notice { .. } => BASE_EVENT,
    };
    let (severity_id, severity) = severity(event.severity);
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("activity_id", class.activity.0.into());
    put("activity_name", class.activity.1.into());
    put("category_uid", class.category.0.into());
    put("category_name", class.category.1.into());
    put("class_uid", class.uid.into());
    put("class_name", class.name.into());
    put("type_uid", (class.uid * 100 + class.activity.0).into());
    put("severity_id", severity_id.into());
    put("severity", severity.into());
    put("time", event.time.as_millisecond().into());
    put("message", event.title.as_str().into());
    put(
        "metadata",
        json!({
            "version": VERSION,
            "uid": event.dedupe_key,
            "original_time": event.time,
            "product": {"name": source.product, "vendor_name": source.product, "url_string": source.origin},
        }),
    );
    put("raw_data", serde_json::to_string(raw)?.into());
    if let Some(host) = &event.host {
        let mut device = json!({"type_id": 0, "uid": host.id, "hostname": host.hostname, "name": host.hostname});
        if let About::Host {
            platform, os_version, ..
        } = &event.about
        {
            device["os"] = json!({"type_id": 99, "type": platform, "name": os_version});
        }
        put("device", device);
    }
    match &event.about {
        About::Host { status, .. } => {
            put("status_id", 99.into());
            put("status", status.as_str().into());
        }
        About::Row { query, row } => {
            put(
                "query_info",
                json!({"uid": query.id, "name": query.name, "query_string": query.sql}),
            );
            put("query_evidence", evidence(query.table.as_deref(), row));
            put("unmapped", Value::Object(row.clone()));
        }
        About::Notice { code } => {
            put("status_code", code.as_str().into());
            put("status_detail", event.description.as_str().into());
        }
    }
    serde_json::to_string(&fields)
}

fn severity(severity: Severity) -> (u64, &'static str) {
    match severity {
        Severity::Info => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
    }
}

/// The object that a row describes, for the tables that have one; everything is among the unmapped columns as well.
fn evidence(table: Option<&str>, row: &Row) -> Value {
    let text = |column: &str| row.get(column).and_then(Value::as_str).filter(|text| !text.is_empty());
    let number = |column: &str| text(column).and_then(|text| text.parse::<i64>().ok());
    let compact = |object: Value| match object {
        Value::Object(map) => Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        other => other,
    };
    let (id, kind, name, object) = match table {
        Some("processes") => (
            10,
            "Process",
            "process",
            json!({"pid": number("pid"), "name": text("name"), "cmd_line": text("cmdline"), "path": text("path")}),
        ),
        Some("startup_items" | "launchd") => (
            15,
            "Startup Item",
            "startup_item",
            json!({"name": text("name").or(text("label")).or(text("path")).unwrap_or("unknown"), "start_type_id": 0}),
        ),
        Some("crontab" | "scheduled_tasks") => (
            5,
            "Job",
            "job",
            json!({"name": text("name").or(text("command")).unwrap_or("unknown"), "cmd_line": text("command").or(text("action"))}),
        ),
        Some("kernel_modules" | "kernel_extensions") => (
            1,
            "Kernel",
            "kernel",
            json!({"name": text("name").unwrap_or("unknown"), "type_id": 0}),
        ),
        Some("file" | "file_events") => (
            2,
            "File",
            "file",
            json!({"name": text("filename").or(text("target_path")).or(text("path")).unwrap_or("unknown"), "path": text("path").or(text("target_path")), "type_id": 0}),
        ),
        other => return json!({"query_type_id": 99, "query_type": other.unwrap_or("osquery")}),
    };
    json!({"query_type_id": id, "query_type": kind, name: compact(object)})
}
