//! JSON for programs, which may be shown on a terminal, too.

use std::borrow::Cow;

use playbook_host::text::visible_json;
use serde::Serialize;

use super::redaction::redact_json;

/// Why serializing cannot fail.
const KEYS: &str = "all keys are texts";

/// A value on one line, which ends.
pub(crate) fn json_line(value: &impl Serialize) -> String {
    shown(serde_json::to_string(value).expect(KEYS))
}

/// A value on lines that are indented.
pub(super) fn json_pretty(value: &impl Serialize) -> String {
    shown(serde_json::to_string_pretty(value).expect(KEYS))
}

/// The document without secrets and without anything hidden. It is redacted text by text: as a whole, it could become something
/// that is no JSON.
fn shown(json: String) -> String {
    let json = match redact_json(&json) {
        Cow::Owned(redacted) => redacted,
        Cow::Borrowed(_) => json,
    };
    let mut json = match visible_json(&json) {
        Cow::Owned(shown) => shown,
        Cow::Borrowed(_) => json,
    };
    json.push('\n');
    json
}
