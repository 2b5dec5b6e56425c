//! JSON values and pointers into them.

use std::borrow::Cow;

use serde_json::Value;

/// Escapes a key for a JSON pointer (RFC 6901).
pub(crate) fn escape_key(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The key that was escaped.
pub(crate) fn unescape_key(key: &str) -> Cow<'_, str> {
    if key.contains('~') {
        key.replace("~1", "/").replace("~0", "~").into()
    } else {
        key.into()
    }
}

/// What a value is, in words.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing (null)",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// Calls `found` with each text in a value and the JSON pointer to it.
pub(crate) fn each_text(value: &Value, pointer: &str, found: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => found(pointer, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                each_text(item, &format!("{pointer}/{index}"), found);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                each_text(value, &format!("{pointer}/{}", escape_key(key)), found);
            }
        }
        _ => {}
    }
}

/// Whether any text in a value is wanted.
pub(crate) fn any_text(value: &Value, wanted: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => wanted(text),
        Value::Array(items) => items.iter().any(|item| any_text(item, wanted)),
        Value::Object(map) => map.values().any(|value| any_text(value, wanted)),
        _ => false,
    }
}
