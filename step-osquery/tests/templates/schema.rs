//! The JSON Schemas: that they say what the templates say, and accept and refuse what they should.

use std::collections::BTreeSet;

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};
use step_osquery::exports::Backend;
use step_osquery::template::{Param, ParamKind, Template, TemplateError};

use crate::{now, strategies::template_and_params};

fn params_schema() -> Value {
    serde_json::from_str(include_str!("../../../schemas/osquery_live_query.params.schema.json")).expect("JSON")
}

fn result_schema() -> Value {
    serde_json::from_str(include_str!("../../../schemas/osquery_live_query.result.schema.json")).expect("JSON")
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::meta::validate(schema).unwrap_or_else(|error| panic!("no JSON Schema: {error}"));
    jsonschema::draft202012::new(schema).expect("a schema that compiles")
}

/// Params that are accepted, with the given members replaced; null removes one.
fn params(changes: Value) -> Value {
    let mut params = json!({
        "backend": "fleetdm",
        "base_url": "https://fleet.corp.example.com",
        "api_token": "token",
        "template": "logged_in_users",
        "target_hosts": ["hostname-a"],
    });
    let members = params.as_object_mut().expect("an object");
    let Value::Object(changes) = changes else {
        panic!("changes are an object")
    };
    for (name, value) in changes {
        match value {
            Value::Null => members.remove(&name),
            value => members.insert(name, value),
        };
    }
    params
}

fn names(object: &Value) -> BTreeSet<&str> {
    object
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn the_params_schema_knows_exactly_the_backends() {
    assert_eq!(params_schema()["properties"]["backend"]["enum"], json!(Backend::NAMES));
}

#[test]
fn the_params_schema_knows_exactly_the_templates_and_their_params() {
    let schema = params_schema();
    let templates: BTreeSet<_> = Template::all().map(Template::name).collect();
    let choices: BTreeSet<_> = schema["properties"]["template"]["enum"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(choices, templates);
    assert_eq!(names(&schema["$defs"]), templates);

    for template in Template::all() {
        let definition = &schema["$defs"][template.name()];
        let expected: BTreeSet<_> = template.params().iter().map(Param::name).collect();
        assert_eq!(names(&definition["properties"]), expected, "{}", template.name());
        assert_eq!(definition["additionalProperties"], json!(false), "{}", template.name());
        let required: Vec<_> = template
            .params()
            .iter()
            .filter(|param| param.default().is_none())
            .map(Param::name)
            .collect();
        assert_eq!(
            definition.get("required").cloned().unwrap_or(json!([])),
            json!(required),
            "{}",
            template.name()
        );
        for param in template.params() {
            let property = &definition["properties"][param.name()];
            let place = format!("{}.{}", template.name(), param.name());
            assert_eq!(property.get("default"), param.default().as_ref(), "{place}");
            assert_eq!(
                property["x-message"],
                json!(format!("must be {}", param.accepts())),
                "{place}"
            );
            let sentence = format!("{}.", param.summary());
            let description = property["description"].as_str().expect("a description");
            assert!(
                description
                    .get(1..)
                    .is_some_and(|text| text.starts_with(&sentence[1..sentence.len() - 1])),
                "{place}: {description}"
            );
            if let ParamKind::Integer { min, max, .. } = param.kind() {
                assert_eq!(
                    property["anyOf"][0],
                    json!({ "type": "integer", "minimum": min, "maximum": max }),
                    "{place}"
                );
            }
        }
        // The definition is in force when the template is chosen, and then only.
        let condition = json!({ "properties": { "template": { "const": template.name() } }, "required": ["template"] });
        let branches = schema["allOf"].as_array().expect("a list");
        let branch: Vec<_> = branches.iter().filter(|branch| branch["if"] == condition).collect();
        assert_eq!(branch.len(), 1, "{}", template.name());
        let reference = json!(format!("#/$defs/{}", template.name()));
        assert_eq!(
            branch[0]["then"]["properties"]["template_params"]["$ref"],
            reference,
            "{}",
            template.name()
        );
        assert_eq!(
            branch[0]["then"].get("required").is_some(),
            !required.is_empty(),
            "{}",
            template.name()
        );
    }
}

#[test]
fn numbers_as_text_are_bounded_like_numbers() {
    let validator = validator(&params_schema());
    for template in Template::all() {
        for param in template.params() {
            let ParamKind::Integer { min, max, .. } = param.kind() else {
                continue;
            };
            for number in [
                min - 1,
                *min,
                min + 1,
                9,
                10,
                11,
                19,
                20,
                21,
                99,
                100,
                101,
                999,
                1000,
                1001,
                9999,
                10000,
                10001,
                max - 1,
                *max,
                max + 1,
            ] {
                let mut values = crate::required(template);
                for value in [json!(number), json!(number.to_string())] {
                    values.insert(param.name().to_owned(), value);
                    let params = params(json!({ "template": template.name(), "template_params": values }));
                    assert_eq!(validator.is_valid(&params), (*min..=*max).contains(&number), "{params}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// The schema can say everything about a param but what the calendar and the clock have to say about a time, and
    /// that 1.0 is no integer: JSON Schema thinks it is one.
    #[test]
    fn the_schema_and_the_templates_agree_on_any_params((template, values) in template_and_params()) {
        thread_local!(static VALIDATOR: Validator = validator(&params_schema()));
        let params = params(json!({ "template": template.name(), "template_params": values }));
        let by_schema = VALIDATOR.with(|validator| validator.is_valid(&params));
        let by_template = template.render(&values, now());
        let beyond_schema = match &by_template {
            Err(TemplateError::Refused { reason, .. }) => reason.contains("does not exist") || reason.contains("1970") || reason.contains("future"),
            Err(TemplateError::WrongType { param, .. }) => values[*param].as_f64().is_some_and(|number| number.fract() == 0.0) && values[*param].is_f64(),
            _ => false,
        };
        prop_assert!(by_schema == by_template.is_ok() || (by_schema && beyond_schema), "schema: {by_schema}, template: {by_template:?}, {params}");
    }
}

#[test]
fn the_params_schema_accepts_what_the_documentation_shows() {
    let schema = params_schema();
    let validator = validator(&schema);
    for example in schema["examples"].as_array().expect("examples") {
        assert!(validator.is_valid(example), "{example}");
    }
    for changes in [
        json!({}),
        json!({ "api_token": null, "username": "admin", "password": "secret" }),
        json!({ "base_url": "HTTP://localhost:8080/prefix/api/" }),
        json!({ "base_url": "https://[::1]:8443" }),
        json!({ "base_url": "https://fleet.example/a@b" }),
        json!({ "template_params": {} }),
        json!({ "template_params": { "limit": "100" } }),
        json!({ "timeout_seconds": 1 }),
        json!({ "timeout_seconds": 900 }),
        json!({ "timeout_seconds": "60" }),
        json!({ "verify_tls": false, "ca_file": "ca.pem" }),
        json!({ "backend": "osctrl", "environment": "production" }),
        json!({ "backend": "osctrl", "environment": "5b1f6f0e-3a52-4c0c-9a8e-7d2f6f1c0a11" }),
        json!({ "target_hosts": vec!["h"; 10_000] }),
        json!({ "target_hosts": ["x".repeat(255)] }),
        json!({ "template": "process_tree", "template_params": { "pid": "4242" } }),
    ] {
        let params = params(changes.clone());
        assert!(
            validator.is_valid(&params),
            "{changes}: {:?}",
            validator
                .iter_errors(&params)
                .map(|error| error.to_string())
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn the_params_schema_refuses_everything_else() {
    let validator = validator(&params_schema());
    for changes in [
        json!({ "backend": null }),
        json!({ "backend": "kolide" }),
        json!({ "backend": "osctrl" }),
        json!({ "backend": "fleetdm", "environment": "production" }),
        json!({ "backend": "osctrl", "environment": "" }),
        json!({ "backend": "osctrl", "environment": ".." }),
        json!({ "backend": "osctrl", "environment": "prod/../all" }),
        json!({ "backend": "osctrl", "environment": 7 }),
        json!({ "base_url": null }),
        json!({ "base_url": "fleet.corp.example.com" }),
        json!({ "base_url": "ftp://fleet.corp.example.com" }),
        json!({ "base_url": "https://" }),
        json!({ "base_url": "https:///path" }),
        json!({ "base_url": "https://user:pass@fleet.corp.example.com" }),
        json!({ "base_url": "https://fleet.corp.example.com?x=1" }),
        json!({ "base_url": "https://fleet.corp.example.com/#x" }),
        json!({ "base_url": "https://fleet.corp.example.com\\@evil.example" }),
        json!({ "base_url": "https://fleet corp" }),
        json!({ "base_url": format!("https://{}", "x".repeat(2048)) }),
        json!({ "api_token": null }),
        json!({ "api_token": "" }),
        json!({ "username": "admin" }),
        json!({ "username": "admin", "password": "secret" }),
        json!({ "api_token": null, "username": "admin" }),
        json!({ "api_token": null, "password": "secret" }),
        json!({ "template": null }),
        json!({ "template": "raw_sql" }),
        json!({ "template": "SELECT 1" }),
        json!({ "sql": "SELECT 1" }),
        json!({ "template_params": [] }),
        json!({ "template_params": { "limit": 1001 } }),
        json!({ "template_params": { "limit": true } }),
        json!({ "template_params": { "path": "/tmp" } }),
        json!({ "template": "process_tree" }),
        json!({ "template": "process_tree", "template_params": {} }),
        json!({ "template": "recent_files", "template_params": { "directory": "/tmp/../etc" } }),
        json!({ "target_hosts": null }),
        json!({ "target_hosts": "hostname-a" }),
        json!({ "target_hosts": [] }),
        json!({ "target_hosts": [""] }),
        json!({ "target_hosts": [1] }),
        json!({ "target_hosts": ["x".repeat(256)] }),
        json!({ "target_hosts": vec!["h"; 10_001] }),
        json!({ "timeout_seconds": 0 }),
        json!({ "timeout_seconds": 901 }),
        json!({ "timeout_seconds": 1.5 }),
        json!({ "timeout_seconds": true }),
        json!({ "timeout_seconds": "0" }),
        json!({ "timeout_seconds": "060" }),
        json!({ "timeout_seconds": "901" }),
        json!({ "timeout_seconds": "1000" }),
        json!({ "timeout_seconds": "60s" }),
        json!({ "verify_tls": "false" }),
        json!({ "ca_file": "" }),
    ] {
        assert!(!validator.is_valid(&params(changes.clone())), "{changes}");
    }
}

#[test]
fn the_schema_tells_the_runner_what_the_params_are_for() {
    let schema = params_schema();
    let properties = schema["properties"].as_object().expect("properties");
    let marked = |keyword: &str| -> Vec<(&str, &str)> {
        let mut marked: Vec<_> = properties
            .iter()
            .filter_map(|(name, property)| Some((name.as_str(), property.get(keyword)?.as_str()?)))
            .collect();
        marked.sort_unstable();
        marked
    };
    assert_eq!(
        marked("x-role"),
        [
            ("base_url", "origin"),
            ("ca_file", "ca-file"),
            ("client_certificate", "client-certificate"),
            ("target_hosts", "targets"),
            ("template", "template"),
            ("template_params", "template-params"),
            ("timeout_seconds", "timeout-seconds"),
            ("username", "username"),
            ("verify_tls", "verify-tls")
        ]
    );
    assert_eq!(
        marked("x-provenance"),
        [("target_hosts", "any"), ("template_params", "any")]
    );
    assert_eq!(properties["timeout_seconds"]["default"], json!(60));
    assert_eq!(properties["verify_tls"]["default"], json!(true));
    for (name, property) in properties {
        assert!(
            property["description"].is_string() && property["examples"].is_array(),
            "{name}"
        );
    }
}

#[test]
fn the_result_schema_accepts_results_and_nothing_else() {
    let schema = result_schema();
    let validator = validator(&schema);
    let example = &schema["examples"][0];
    assert!(validator.is_valid(example), "{example}");
    for (pointer, value) in [
        ("/partial", json!("true")),
        ("/results/hostname-a", json!(null)),
        ("/results/hostname-a/0/user", json!(1)),
        ("/timed_out_hosts", json!(["a", "a"])),
        ("/failed_hosts/hostname-c", json!(["no such table"])),
        ("/failed_hosts", json!(null)),
    ] {
        let mut result = example.clone();
        *result.pointer_mut(pointer).expect(pointer) = value;
        assert!(!validator.is_valid(&result), "{pointer}");
    }
    for name in ["results", "partial", "timed_out_hosts", "failed_hosts"] {
        let mut result = example.clone();
        result.as_object_mut().expect("an object").remove(name);
        assert!(!validator.is_valid(&result), "{name}");
    }
    let mut result = example.clone();
    result["extra"] = json!(1);
    assert!(!validator.is_valid(&result));
}
