//! Schemas that plugins describe their params with. The host compiles them and validates with them.

use playbook_host::text::Schema;
use serde_json::Value;

/// A schema, and what can follow it after a line `===`: a value to validate.
pub fn plugin_schema(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (schema, value) = text.split_once("\n===\n").unwrap_or((text, "{}"));
    let (Ok(schema), Ok(value)) = (serde_json::from_str(schema), serde_json::from_str::<Value>(value)) else {
        return;
    };
    let Ok(schema) = Schema::compile(schema) else { return };
    for problem in schema.validate(&value) {
        assert!(!problem.message.is_empty());
    }
}
