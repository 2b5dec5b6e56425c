//! `playbook validate` and `playbook explain`: the same problems as text, JSON and SARIF.

use std::fs;

use playbook_host::{Code, Diagnostics};
use serde_json::{Value, json};

use crate::command;
use crate::diagnostics::{cases, step};

/// Where SARIF says that a result is.
fn region(result: &Value) -> (&str, u64, u64, u64, u64) {
    let place = &result["locations"][0]["physicalLocation"];
    let number = |key: &str| place["region"][key].as_u64().unwrap();
    (
        place["artifactLocation"]["uri"].as_str().unwrap(),
        number("startLine"),
        number("startColumn"),
        number("endLine"),
        number("endColumn"),
    )
}

#[tokio::test]
async fn validate_gives_the_same_as_text_as_json_and_as_sarif() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let one = write(
        "one two.yaml",
        &step(&["template: logged_in_user", "limit: 1", "limit: 2"]),
    );
    let two = write("two.yaml", "connector: fleetdm\nname: a\nconfg: {}\n");
    let valid = write("valid.yaml", &step(&[]));
    let run = async |output: &str| {
        let done = command::run(&["validate", &one, &valid, &two, "--output", output], &[]).await;
        assert_eq!(done.code(), 2, "{}", done.stderr);
        done
    };

    let table = run("table").await;
    assert_eq!(table.stdout, format!("{valid}: valid\n"));
    let json: Value = serde_json::from_str(&run("json").await.stdout).unwrap();
    let sarif: Value = serde_json::from_str(&run("sarif").await.stdout).unwrap();
    let (records, results) = (
        json.as_array().unwrap(),
        sarif["runs"][0]["results"].as_array().unwrap(),
    );
    assert_eq!(records.len(), results.len());
    let codes: Vec<&str> = records.iter().map(|record| record["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["unknown-value", "duplicate-key", "unknown-key", "unknown-key"]);
    let mut shown = 0;
    for (record, result) in records.iter().zip(results) {
        let number = |key: &str| record[key].as_u64().unwrap();
        let (uri, line, column, end_line, end_column) = region(result);
        assert_eq!(
            (line, column, end_line, end_column),
            (
                number("line"),
                number("column"),
                number("end_line"),
                number("end_column")
            )
        );
        let file = record["file"].as_str().unwrap();
        assert_eq!(uri, file.replace(' ', "%20"));
        assert_eq!(result["ruleId"], record["code"]);
        let message = record["message"].as_str().unwrap();
        assert!(result["message"]["text"].as_str().unwrap().starts_with(message));
        // The text shows them in the same order.
        let heading = format!("error[{}]: {message}\n", record["code"].as_str().unwrap());
        let at = table.stderr[shown..]
            .find(&heading)
            .unwrap_or_else(|| panic!("{heading}{}", table.stderr));
        shown += at + heading.len();
        assert!(table.stderr[shown..].contains(&format!("{file}:{line}:{column}\n")));
    }
}

#[test]
fn sarif_is_what_its_schema_wants() {
    // What code hosts need of the schema of SARIF 2.1.0, which is long.
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
    let schema = json!({
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
    });
    let schema = playbook_host::Schema::compile(schema).unwrap();
    let mut cases = cases();
    cases.insert("nothing".into(), Diagnostics::default());
    for (name, problems) in cases {
        let sarif = problems.sarif();
        assert_eq!(schema.validate(&sarif), [], "{name}: {sarif:#}");
        let run = &sarif["runs"][0];
        for result in run["results"].as_array().unwrap() {
            let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
            assert_eq!(rule["id"], result["ruleId"], "{name}");
        }
    }
}

#[tokio::test]
async fn validate_fills_in_what_it_is_given() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let playbook = write("triage.yaml", &step(&["target_hosts: [\"{{ alert.hots }}\"]"]));
    let (alert, broken) = (
        write("alert.json", r#"{"host": "web-01"}"#),
        write("broken.json", "{\"host\": }"),
    );
    let (secrets, odd) = (
        write("secrets.yaml", "fleetdm_token: x-value\n"),
        write("odd.yaml", "fleetdm_token: []\n"),
    );
    for (args, status, words) in [
        (&["validate", &playbook][..], 0, &[][..]),
        (
            &["validate", &playbook, "--alert", &alert, "--secrets", &secrets],
            2,
            &["`alert.hots` is not defined", "did you mean `host`?"],
        ),
        (
            &["validate", &playbook, "--alert", &broken, "--secrets", &odd],
            2,
            &["broken.json:1:10", "odd.yaml:1:1", "must be a text"],
        ),
        (
            &["run", &playbook, "--alert", &broken, "--secrets", &odd],
            2,
            &["broken.json:1:10", "odd.yaml:1:1", "must be a text"],
        ),
    ] {
        let done = command::run(args, &[]).await;
        assert_eq!(done.code(), status, "{args:?}: {}", done.stderr);
        for words in words {
            assert!(done.stderr.contains(words), "{args:?}: {}", done.stderr);
        }
    }
}

#[tokio::test]
async fn explain_says_what_a_code_means() {
    let list = command::run(&["explain"], &[]).await;
    for code in Code::ALL {
        assert!(list.stdout.contains(&format!("{code} ")), "{code}: {}", list.stdout);
        let shown = command::run(&["explain", code.word()], &[]).await;
        assert_eq!(shown.code(), 0);
        assert!(
            shown.stdout.contains("Wrong") && shown.stdout.contains("Right"),
            "{}",
            shown.stdout
        );
    }
    let unknown = command::run(&["explain", "unknown-kye"], &[]).await;
    assert_eq!(unknown.code(), 2);
    assert!(
        unknown.stderr.contains("did you mean `unknown-key`?"),
        "{}",
        unknown.stderr
    );
}
