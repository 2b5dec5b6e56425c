//! Output without what differs from run to run.

use serde_json::Value;

/// Replaces times and durations in a report. Other output stays as it is.
pub(crate) fn stable(stdout: &str) -> String {
    let Ok(mut report) = serde_json::from_str::<Value>(stdout) else {
        return stdout.to_owned();
    };
    for key in ["run_id", "started_at", "finished_at", "duration_ms", "as_of"] {
        if let Some(value) = report.get_mut(key) {
            *value = "…".into();
        }
    }
    for step in report["steps"].as_array_mut().into_iter().flatten() {
        step.as_object_mut().map(|step| step.shift_remove("started_at"));
        blank(step);
        let calls = step.get_mut("calls").and_then(Value::as_array_mut);
        for call in calls.into_iter().flatten() {
            blank_moments(&mut call["template"]);
        }
    }
    format!("{report:#}\n")
}

/// Durations, times in notes, and the columns of rows that are times.
fn blank(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match key.as_str() {
                    "duration_ms" | "time" | "start_time" | "mtime" | "ctime" => *value = "…".into(),
                    "text" => blank_last_seen(value),
                    _ => blank(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank),
        _ => {}
    }
}

/// The moments in a text that count from now.
fn blank_moments(template: &mut Value) {
    let moments = template.get_mut("moments").and_then(Value::as_array_mut);
    let mut written = Vec::new();
    for moment in moments.into_iter().flatten() {
        moment["time"] = "…".into();
        written.extend(moment["written"].as_str().map(str::to_owned));
        moment["written"] = "…".into();
    }
    for moment in written {
        let text = template["text"].as_str().unwrap_or_default();
        template["text"] = text.replace(&moment, "…").into();
    }
}

/// A note says when a host was last seen.
fn blank_last_seen(note: &mut Value) {
    let before = note.as_str().and_then(|text| text.split_once("last seen 2"));
    if let Some((before, _)) = before {
        *note = format!("{before}last seen …").into();
    }
}
