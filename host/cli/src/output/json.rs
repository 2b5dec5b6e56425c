//! JSON for programs, which may be shown on a terminal, too.

use std::borrow::Cow;

use playbook_host::text::visible_json;
use serde::Serialize;
use serde_json::Value;

use super::redaction::{redact, redact_json};

/// Why serializing cannot fail.
const KEYS: &str = "all keys are texts";

/// A value on one line, which ends.
pub(crate) fn json_line(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect(KEYS);
    let json = match without_secrets(&json) {
        Some(clean) => clean.to_string(),
        None => json,
    };
    finished(json)
}

/// A value on lines that are indented.
pub(super) fn json_pretty(value: &impl Serialize) -> String {
    let json = serde_json::to_string_pretty(value).expect(KEYS);
    let json = match without_secrets(&json) {
        Some(clean) => format!("{clean:#}"),
        None => json,
    };
    finished(json)
}

/// The value without secrets, if there may be any in it. As a whole, a text of JSON cannot be redacted: a number would become
/// no JSON.
fn without_secrets(json: &str) -> Option<Value> {
    let Cow::Owned(_) = redact(json) else { return None };
    Some(redact_json(serde_json::from_str(json).expect("it was serialized here")))
}

fn finished(json: String) -> String {
    let mut json = match visible_json(&json) {
        Cow::Owned(shown) => shown,
        Cow::Borrowed(_) => json,
    };
    json.push('\n');
    json
}
