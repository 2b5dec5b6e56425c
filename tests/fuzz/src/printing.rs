//! What others say, on its way to a terminal.

use std::sync::LazyLock;

use playbook_host::run::{Prepared, RunReport};
use playbook_host::views::{html_report, text_report};
use serde_json::{Value, json};

use crate::files::{RUNNER, RUNTIME, SECRET, TRIAGE, inputs, only_colours};

/// A run that has resolved the secret.
static PREPARED: LazyLock<Prepared> = LazyLock::new(|| {
    let alert = json!({"host": "web-01", "a": "a", "b": "b", "items": ["web-01"]});
    let prepared = RUNNER.prepare(TRIAGE.clone(), inputs(alert)).expect("the alert fits");
    RUNTIME.block_on(RUNNER.plan(&prepared, jiff::Timestamp::UNIX_EPOCH));
    prepared
});

/// Words of a server, a plugin or a host, in which each `@@` is the secret, written in the way that the first byte chooses:
/// whatever stands around it, nothing that is printed shows it, acts on a terminal or forges a line.
pub fn printing(data: &[u8]) {
    let Some((way, words)) = data.split_first() else { return };
    let Ok(words) = std::str::from_utf8(words) else { return };
    if words.contains(SECRET) {
        return;
    }
    let written = written(*way);
    let words = words.replace("@@", &written);
    let redactor = PREPARED.redactor();

    let line = redactor.show(&words);
    assert!(!line.contains(hides), "{line:?}");
    hidden(&line, &written);

    let document = json!({"words": words, "list": [words], (words.as_str()): 1}).to_string();
    let shown = redactor.show_json(&document);
    assert!(!shown.contains(hides), "{shown:?}");
    hidden(&shown, &written);
    let shown: Value = serde_json::from_str(&shown).expect("it stays JSON");
    assert_eq!(
        shown.as_object().map(serde_json::Map::len),
        Some(if matches!(&words[..], "words" | "list") { 2 } else { 3 })
    );

    // What a run leaves behind is redacted before it is in the report.
    let words = redactor.redact(&words);
    let report = report(&words);
    let text = text_report(&report, Some(80));
    assert!(only_colours(&text), "{text:?}");
    hidden(&text, &written);
    let page = html_report(&report);
    assert!(!page.contains(|c| hides(c) && c != '\n'), "{page:?}");
    hidden(&page, &written);
}

/// The secret as texts have it.
fn written(way: u8) -> String {
    let each = |form: fn(u8) -> String| SECRET.bytes().map(form).collect::<String>();
    match way % 6 {
        0 => SECRET.to_owned(),
        1 => each(|byte| format!("%{byte:02x}")),
        2 => each(|byte| format!("\\u{byte:04x}")),
        3 => each(|byte| format!("&#{byte};")),
        4 => each(|byte| format!("{byte:02X}")),
        _ => each(|byte| format!("\\x{byte:02X}")),
    }
}

fn hidden(shown: &str, written: &str) {
    assert!(!shown.contains(SECRET) && !shown.contains(written), "{shown}");
}

/// Whether a character acts on a terminal, or turns the direction of writing.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn report(words: &str) -> RunReport {
    let report = json!({
        "playbook": {"name": words}, "run_id": "run", "status": "failed", "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:00:01Z", "duration_ms": 1,
        "steps": [{
            "id": "ask", "name": words, "type": "osquery_live_query", "status": "failed", "attempts": 1, "duration_ms": 1,
            "result": {"rows": [{"host": words, words: words}], "said": words, "list": [words]},
            "error": {"kind": "protocol", "message": words, "hint": words},
            "notes": [{"subject": words, "text": words}],
        }],
    });
    serde_json::from_value(report).expect("it is a report")
}
