//! `playbook validate`: the same problems as text, JSON and SARIF.

use std::fs;

use serde_json::Value;

use super::explain::step;
use crate::command;

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
