use serde_json::json;

use super::*;

/// What a value holds that must not be shown.
const VALUE: &str = "hunter2-value";

#[test]
fn no_problem_shows_the_value_that_it_is_about() {
    let long = VALUE.repeat(20);
    for (schema, value) in [
        (json!({"type": "integer"}), json!(VALUE)),
        (json!({"type": ["integer", "array"]}), json!(VALUE)),
        (json!({"enum": ["hunter", "other"]}), json!(VALUE)),
        (json!({"const": "hunter"}), json!(VALUE)),
        (json!({"const": {"a": 1}}), json!({"a": VALUE})),
        (json!({"pattern": "^[0-9]+$"}), json!(VALUE)),
        (json!({"minLength": 100}), json!(VALUE)),
        (json!({"maxLength": 3}), json!(long)),
        (json!({"format": "uri"}), json!(VALUE)),
        (json!({"not": {"type": "string"}}), json!(VALUE)),
        (json!({"anyOf": [{"type": "integer"}, {"maxLength": 2}]}), json!(VALUE)),
        (json!({"oneOf": [{"type": "string"}, {"minLength": 2}]}), json!(VALUE)),
        (json!({"oneOf": [{"type": "integer"}, {"type": "null"}]}), json!(VALUE)),
        (json!({"allOf": [{"type": "integer"}, {"maxLength": 2}]}), json!(VALUE)),
        (
            json!({"if": {"type": "string"}, "then": {"maxLength": 2}}),
            json!(VALUE),
        ),
        (json!({"contentMediaType": "application/json"}), json!(VALUE)),
        (json!({"minItems": 5}), json!([VALUE])),
        (json!({"maxItems": 0}), json!([VALUE])),
        (json!({"uniqueItems": true}), json!([VALUE, VALUE])),
        (json!({"contains": {"type": "integer"}}), json!([VALUE])),
        (
            json!({"contains": {"type": "string"}, "maxContains": 1}),
            json!([VALUE, VALUE]),
        ),
        (
            json!({"prefixItems": [{"type": "string"}], "items": false}),
            json!([VALUE, VALUE]),
        ),
        (json!({"items": {"type": "integer"}}), json!([VALUE])),
        (json!({"required": ["hunter"]}), json!({"a": VALUE})),
        (json!({"additionalProperties": false}), json!({"a": VALUE})),
        (
            json!({"additionalProperties": {"type": "integer"}}),
            json!({"a": VALUE}),
        ),
        (json!({"propertyNames": {"maxLength": 1}}), json!({"aa": VALUE})),
        (json!({"minProperties": 5}), json!({"a": VALUE})),
        (json!({"maxProperties": 0}), json!({"a": VALUE})),
        (json!({"dependentRequired": {"a": ["b"]}}), json!({"a": VALUE})),
        (
            json!({"dependentSchemas": {"a": {"required": ["b"]}}}),
            json!({"a": VALUE}),
        ),
        (json!({"minimum": 5, "x-message": "must be more"}), json!(1)),
        (json!({"properties": {"a": false}}), json!({"a": VALUE})),
    ] {
        let compiled = Schema::compile(schema.clone()).unwrap();
        let problems = compiled.validate(&value);
        let said = format!("{problems:?}");
        assert!(!said.contains("hunter2"), "{schema}: {said}");
        // These two are remarks about a text, and no rules.
        let remark = schema.get("format").or(schema.get("contentMediaType")).is_some();
        assert!(remark || !problems.is_empty(), "{schema}");
    }
}

#[test]
fn what_is_wrong_with_a_schema_is_said_without_its_values() {
    for schema in [
        json!({"type": VALUE}),
        json!({"minimum": VALUE}),
        json!({"required": VALUE}),
        json!({"properties": {"a": {"type": "string", "minLength": VALUE}}}),
        json!({"enum": VALUE}),
    ] {
        let said = Schema::compile(schema.clone()).unwrap_err();
        assert!(!said.contains("hunter2"), "{schema}: {said}");
    }
}
