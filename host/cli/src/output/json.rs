//! JSON for programs, which may be shown on a terminal, too.

use serde::Serialize;

use super::redaction::show_json;

/// Why serializing cannot fail.
const KEYS: &str = "all keys are texts";

/// A value on one line, which ends.
pub(crate) fn json_line(value: &impl Serialize) -> String {
    shown(&serde_json::to_string(value).expect(KEYS))
}

/// A value on lines that are indented.
pub(super) fn json_pretty(value: &impl Serialize) -> String {
    shown(&serde_json::to_string_pretty(value).expect(KEYS))
}

fn shown(json: &str) -> String {
    let mut json = show_json(json);
    json.push('\n');
    json
}
