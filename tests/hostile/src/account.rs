//! A step that accounts for targets, publishes what its params say, and then misbehaves.

use serde_json::Value;

use super::bindings::exports::playbook::plugin::step::{Accounting, StepType};
use super::bindings::playbook::plugin::results::{self, Entry};

pub(super) const NAME: &str = "account";

const PARAMS: &str = r#"{
    "type": "object",
    "properties": {
        "how": {"type": "string"},
        "url": {"type": "string", "x-role": "origin"},
        "timeout": {"type": "integer", "x-role": "timeout-seconds"},
        "targets": {"type": "array", "items": {"type": "string"}, "x-role": "targets", "x-provenance": "any"},
        "publish": {"type": "array", "x-provenance": "any"}
    }
}"#;

const RESULT: &str = r#"{
    "type": "object",
    "required": ["found", "failed", "silent", "partial"],
    "properties": {
        "found": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
        "failed": {"type": "object", "additionalProperties": {"type": "string"}},
        "silent": {"type": "array", "items": {"type": "string"}},
        "partial": {"type": "boolean"},
        "said": {"type": "string"}
    },
    "additionalProperties": false
}"#;

pub(super) fn step_type() -> StepType {
    StepType {
        name: NAME.into(),
        summary: "Accounts for its targets, and then misbehaves".into(),
        params_schema: PARAMS.into(),
        result_schema: RESULT.into(),
        accounting: Some(Accounting {
            targets: "targets".into(),
            entries: "found".into(),
            failures: "failed".into(),
            unanswered: "silent".into(),
            partial: "partial".into(),
        }),
        templates: Vec::new(),
    }
}

/// Publishes the pairs in the param `publish`: a target and its entry, or a target and `{"failed": reason}`. A text is published as
/// it is, whether or not it is JSON; a number is a text of so many MiB.
pub(super) fn publish(params: &Value) {
    for pair in params["publish"].as_array().into_iter().flatten() {
        let target = pair[0].as_str().unwrap_or_default();
        let entry = match &pair[1] {
            Value::String(text) => Entry::Found(text.clone()),
            Value::Number(mib) => {
                let mib = mib
                    .as_u64()
                    .and_then(|mib| usize::try_from(mib).ok())
                    .unwrap_or_default();
                Entry::Found(format!("[\"{}\"]", "x".repeat(mib << 20)))
            }
            Value::Object(failed) => Entry::Failed(failed["failed"].as_str().unwrap_or_default().to_owned()),
            other => Entry::Found(other.to_string()),
        };
        let _ = results::publish(target, &entry);
    }
}
