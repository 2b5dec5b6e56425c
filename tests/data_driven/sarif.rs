//! SARIF output, checked against what code hosts need of it.

use std::sync::LazyLock;

use playbook_host::Diagnostics;
use playbook_host::text::Schema;
use serde_json::{Value, json};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::compile(schema()).expect("the schema is valid"));

/// Returns what is wrong with the SARIF output of these problems.
pub(crate) fn faults(problems: &Diagnostics) -> Vec<String> {
    let sarif = problems.sarif();
    let unmet = SCHEMA.validate(&sarif).into_iter();
    let mut wrong: Vec<String> = unmet
        .map(|unmet| format!("SARIF does not fit its schema: {unmet:?}\n{sarif:#}"))
        .collect();
    let run = &sarif["runs"][0];
    for result in run["results"].as_array().into_iter().flatten() {
        let rule = result["ruleIndex"]
            .as_u64()
            .map(|index| &run["tool"]["driver"]["rules"][index as usize]["id"]);
        if rule != Some(&result["ruleId"]) {
            wrong.push(format!(
                "the rule of a SARIF result is not the one it names: {result:#}"
            ));
        }
    }
    wrong
}

/// The part of the schema of SARIF 2.1.0, which is long, that code hosts rely on.
fn schema() -> Value {
    let text =
        json!({"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}});
    let location = json!({
        "type": "object",
        "required": ["physicalLocation"],
        "properties": {
            "id": {"type": "integer", "minimum": 0},
            "message": text,
            "physicalLocation": {
                "type": "object",
                "required": ["artifactLocation"],
                "additionalProperties": false,
                "properties": {
                    "artifactLocation": {
                        "type": "object",
                        "required": ["uri"],
                        "properties": {"uri": {"type": "string", "pattern": "^[A-Za-z0-9/._~%-]+$"}},
                    },
                    "region": {
                        "type": "object",
                        "required": ["startLine", "startColumn", "endLine", "endColumn"],
                        "additionalProperties": false,
                        "properties": {
                            "startLine": {"type": "integer", "minimum": 1},
                            "startColumn": {"type": "integer", "minimum": 1},
                            "endLine": {"type": "integer", "minimum": 1},
                            "endColumn": {"type": "integer", "minimum": 1},
                        },
                    },
                },
            },
        },
    });
    json!({
        "type": "object",
        "required": ["version", "runs"],
        "additionalProperties": false,
        "properties": {
            "$schema": {"type": "string", "format": "uri"},
            "version": {"const": "2.1.0"},
            "runs": {"type": "array", "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": false,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {"type": "object", "required": ["driver"], "properties": {"driver": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"rules": {"type": "array", "uniqueItems": true, "items": {
                            "type": "object",
                            "required": ["id", "shortDescription", "fullDescription", "help"],
                            "properties": {"shortDescription": text, "fullDescription": text, "help": text},
                        }}},
                    }}},
                    "results": {"type": "array", "items": {
                        "type": "object",
                        "required": ["message", "ruleId"],
                        "additionalProperties": false,
                        "properties": {
                            "ruleId": {"type": "string"},
                            "ruleIndex": {"type": "integer", "minimum": 0},
                            "level": {"enum": ["none", "note", "warning", "error"]},
                            "message": text,
                            "locations": {"type": "array", "items": location},
                            "relatedLocations": {"type": "array", "uniqueItems": true, "items": location},
                        },
                    }},
                },
            }},
        },
    })
}
