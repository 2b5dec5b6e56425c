//! What editors get: schemas of whole files, and files to begin with.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use playbook_host::text::Schema;
use serde_json::{Value, json};

use crate::command::{Finished, run};
use crate::repository::{self, schema, yaml_files};

async fn expect(status: i32, args: &[&str]) -> Finished {
    let done = run(args, &[]).await;
    assert_eq!(done.code(), status, "{args:?}\n{}{}", done.stdout, done.stderr);
    done
}

#[tokio::test]
async fn the_committed_schemas_of_files_are_those_of_the_built_in_plugin() {
    for name in ["playbook", "connector"] {
        let printed = expect(0, &["schema", name]).await.stdout;
        let committed = fs::read_to_string(repository::path(&format!("schemas/{name}.schema.json"))).unwrap();
        assert!(
            printed == committed,
            "`playbook schema {name} > schemas/{name}.schema.json` brings it up to date"
        );
        let document: Value = serde_json::from_str(&printed).unwrap();
        let valid = jsonschema::draft202012::meta::validate(&document).map_err(|error| error.to_string());
        assert_eq!(valid, Ok(()), "{name}");
    }
}

#[test]
fn the_schemas_of_files_refer_to_no_other_document_and_leave_no_reference_open() {
    fn check(value: &Value, document: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("a reference within the document");
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                map.values().for_each(|value| check(value, document));
            }
            Value::Array(items) => items.iter().for_each(|value| check(value, document)),
            _ => {}
        }
    }
    for name in ["playbook", "connector"] {
        let schema = schema(name);
        check(schema.document(), schema.document());
    }
}

#[test]
fn every_example_fits_the_schema_that_its_first_line_names() {
    let mut kinds = BTreeSet::new();
    for file in yaml_files(&repository::path("playbooks")) {
        let text = fs::read_to_string(&file).unwrap();
        let line = text.lines().next().unwrap();
        let named = line
            .strip_prefix("# yaml-language-server: $schema=")
            .unwrap_or_else(|| panic!("{}: {line}", file.display()));
        let named = file.parent().unwrap().join(named);
        let schema: Value = serde_json::from_str(&fs::read_to_string(&named).unwrap()).unwrap();
        kinds.insert(named.file_name().unwrap().to_str().unwrap().to_owned());
        let problems = Schema::compile(schema)
            .unwrap()
            .validate(&serde_yaml::from_str(&text).unwrap());
        assert!(problems.is_empty(), "{}: {problems:?}", file.display());
    }
    let shown = ["connector.schema.json", "playbook.schema.json", "test.schema.json"].map(str::to_owned);
    assert_eq!(kinds, BTreeSet::from(shown), "each kind of file has an example");
}

/// A step that asks hosts, with the given params replaced; null removes one.
fn step(changes: Value) -> Value {
    json!({"id": "a", "type": "osquery_live_query", "params": changed(
        json!({
            "backend": "fleetdm",
            "base_url": "https://fleet.example.com",
            "api_token": "{{ secrets.token }}",
            "template": "logged_in_users",
            "target_hosts": ["web-01"],
        }),
        changes,
    )})
}

fn changed(mut value: Value, changes: Value) -> Value {
    let map = value.as_object_mut().unwrap();
    let Value::Object(changes) = changes else {
        panic!("changes are a map")
    };
    for (key, change) in changes {
        if change.is_null() {
            map.remove(&key);
        } else {
            map.insert(key, change);
        }
    }
    value
}

#[test]
fn a_template_fits_wherever_a_value_is_expected() {
    let schema = schema("playbook");
    for playbook in [
        step(json!({})),
        step(json!({"target_hosts": "{{ alert.hosts }}"})),
        step(json!({"target_hosts": ["{{ alert.host }}", "web-02"]})),
        step(json!({"target_hosts": "{% if vars.x %}{{ vars.x }}{% endif %}"})),
        step(json!({"base_url": "{{ vars.fleet_url }}"})),
        step(json!({"base_url": "https://{{ vars.fleet }}:8080"})),
        step(json!({"backend": "{{ vars.backend }}", "environment": "{{ vars.environment }}"})),
        step(json!({"template": "{{ vars.template }}", "template_params": {"limit": 5}})),
        step(json!({"template_params": "{{ vars.params }}"})),
        step(json!({"template_params": {"limit": "{{ vars.limit }}"}})),
        step(json!({"template": "recent_files", "template_params": {"directory": "{{ alert.dir }}"}})),
        step(json!({"timeout_seconds": "{{ vars.timeout }}"})),
        step(json!({"verify_tls": "{{ vars.verify }}"})),
        step(json!({"timeout_seconds": "60"})),
        json!([step(json!({}))]),
        json!({"steps": [step(json!({})), {"id": "b", "type": "condition", "when": "true", "params": null}]}),
    ] {
        assert_eq!(schema.validate(&playbook), [], "{playbook}");
    }
}

#[test]
fn wrong_playbooks_do_not_fit() {
    let schema = schema("playbook");
    for (playbook, pointer) in [
        (json!({}), ""),
        (json!([]), ""),
        (json!("steps"), ""),
        (json!({"steps": []}), "/steps"),
        (json!({"steps": [step(json!({}))], "stpes": []}), "/stpes"),
        (json!({"id": "a", "type": "osquery_live_query"}), ""),
        (
            json!({"id": "a", "type": "osquery_live_query", "params": {}}),
            "/params",
        ),
        (
            json!({"id": "a", "type": "osquery_live_query", "params": null}),
            "/params",
        ),
        (json!({"id": "a", "type": "osquery_live_qeury", "params": {}}), "/type"),
        (json!({"id": "a", "type": "condition"}), ""),
        (json!({"id": "a b", "type": "condition", "when": "true"}), "/id"),
        (step(json!({"backend": "fleet"})), "/params/backend"),
        (step(json!({"backend": null})), "/params"),
        (step(json!({"backend": "osctrl"})), "/params"),
        (step(json!({"environment": "production"})), "/params"),
        (step(json!({"base_url": "fleet.example.com"})), "/params/base_url"),
        (step(json!({"api_token": null})), "/params"),
        (step(json!({"username": "soc"})), "/params"),
        (step(json!({"template": "logged_in_user"})), "/params/template"),
        (
            step(json!({"template_params": {"lmit": 5}})),
            "/params/template_params/lmit",
        ),
        (
            step(json!({"template_params": {"limit": 0}})),
            "/params/template_params/limit",
        ),
        (
            step(json!({"template_params": {"limit": true}})),
            "/params/template_params/limit",
        ),
        (step(json!({"template": "recent_files"})), "/params"),
        (
            step(json!({"template": "recent_files", "template_params": {"directory": "../x"}})),
            "/params/template_params/directory",
        ),
        (step(json!({"target_hosts": []})), "/params/target_hosts"),
        (step(json!({"target_hosts": "web-01"})), "/params/target_hosts"),
        (step(json!({"target_hosts": [" "]})), "/params/target_hosts/0"),
        (step(json!({"timeout_seconds": 901})), "/params/timeout_seconds"),
        (step(json!({"timeout_seconds": "soon"})), "/params/timeout_seconds"),
        (step(json!({"verify_tls": "no"})), "/params/verify_tls"),
        (step(json!({"tmplate": "x"})), "/params/tmplate"),
        (changed(step(json!({})), json!({"retry_max": 11})), "/retry_max"),
        (changed(step(json!({})), json!({"on_failure": "stop"})), "/on_failure"),
        (changed(step(json!({})), json!({"concurrency": 2})), ""),
        (
            changed(step(json!({})), json!({"for_each": "alert.hosts"})),
            "/for_each",
        ),
        (
            changed(step(json!({})), json!({"condition": {"field": "a", "operator": "is"}})),
            "/condition/operator",
        ),
    ] {
        let problems = schema.validate(&playbook);
        let found: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert!(found.contains(&pointer), "{playbook}: {problems:?}");
    }
}

#[test]
fn connector_files_fit_or_not_as_their_connector_says() {
    let schema = schema("connector");
    let file = |changes| {
        changed(
            json!({"connector": "fleetdm", "name": "corp", "config": {
                "base_url": "https://fleet.example.com", "api_token": "{{ secrets.token }}",
            }}),
            changes,
        )
    };
    let config = |changes| json!({"config": changed(file(json!({}))["config"].clone(), changes)});
    for right in [
        file(json!({})),
        file(json!({"connector_config": {"poll_interval_seconds": "{{ vars.interval }}", "rows": "changed"}})),
        file(json!({"connector_config": {}})),
        file(config(
            json!({"base_url": "{{ vars.url }}", "team_id": "{{ vars.team }}"}),
        )),
        changed(
            file(config(json!({"environment": "production"}))),
            json!({"connector": "osctrl"}),
        ),
    ] {
        assert_eq!(schema.validate(&right), [], "{right}");
    }
    let mut empty = file(json!({}));
    empty["connector_config"] = Value::Null;
    assert_eq!(schema.validate(&empty), [], "{empty}");
    for (wrong, pointer) in [
        (file(json!({"connector": "fleet"})), "/connector"),
        (file(json!({"connector": "osctrl"})), "/config/environment"),
        (file(json!({"config": null})), "/config"),
        (file(json!({"name": "a b"})), "/name"),
        (file(config(json!({"team_id": "three"}))), "/config/team_id"),
        (
            file(config(json!({"environment": "production"}))),
            "/config/environment",
        ),
        (
            file(json!({"connector_config": {"rows": "some"}})),
            "/connector_config/rows",
        ),
        (
            file(json!({"connector_config": {"poll_interval_seconds": 0}})),
            "/connector_config/poll_interval_seconds",
        ),
        (
            file(json!({"connector": "osctrl", "connector_config": {"flap_window_seconds": 60}})),
            "/connector_config/flap_window_seconds",
        ),
    ] {
        let problems = schema.validate(&wrong);
        let found: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        let expected = [pointer, pointer.rsplit_once('/').unwrap().0];
        assert!(
            found.iter().any(|found| expected.contains(found)),
            "{wrong}: {problems:?}"
        );
    }
}

#[tokio::test]
async fn all_schemas_are_written_and_nothing_else_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let schemas = dir.path().join("new/schemas");
    let args = ["schema", "--all", schemas.to_str().unwrap()];
    let shown = expect(0, &args).await.stdout;
    let names = expect(0, &["schema"]).await.stdout;
    assert_eq!(shown.lines().count(), names.lines().count());
    for name in names.lines() {
        let text = fs::read_to_string(schemas.join(format!("{name}.schema.json"))).unwrap();
        assert_eq!(text, expect(0, &["schema", name]).await.stdout, "{name}");
    }
    let shown = expect(0, &args).await.stdout;
    assert!(shown.lines().all(|line| line.starts_with("unchanged ")), "{shown}");

    // An earlier version gives way.
    let file = schemas.join("playbook.schema.json");
    let current = fs::read_to_string(&file).unwrap();
    let mut earlier: Value = serde_json::from_str(&current).unwrap();
    earlier["$defs"] = json!({});
    fs::write(&file, earlier.to_string()).unwrap();
    let shown = expect(0, &args).await.stdout;
    assert_eq!(
        shown.lines().filter(|line| line.starts_with("replaced ")).count(),
        1,
        "{shown}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), current);

    // What is no schema of ours stays, and then nothing is written.
    fs::write(&file, "{}").unwrap();
    fs::remove_file(schemas.join("run.schema.json")).unwrap();
    let stderr = expect(2, &args).await.stderr;
    assert!(stderr.contains("playbook.schema.json` is there already"), "{stderr}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "{}");
    assert!(!schemas.join("run.schema.json").exists());
    expect(2, &["schema", "playbook", "--all", schemas.to_str().unwrap()]).await;
}

#[tokio::test]
async fn the_files_to_begin_with_are_valid_and_replace_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let start = dir.path().join("it's new");
    let path = |name: &str| start.join(name).to_str().unwrap().to_owned();
    let args = ["init", start.to_str().unwrap()];
    let shown = expect(0, &args).await.stdout;
    let stable = shown.replace(dir.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!("init", stable);

    expect(0, &["validate", &path("playbook.yaml")]).await;
    // Prepared, and then nobody is there to answer: what is wrong with a file ends in 2.
    let text = fs::read_to_string(path("connector.yaml")).unwrap();
    fs::write(
        path("nobody.yaml"),
        text.replace("https://fleet.example.com", "http://127.0.0.1:1 "),
    )
    .unwrap();
    let done = run(
        &["check", &path("nobody.yaml")],
        &[("fleetdm_token", "token-of-nobody")],
    )
    .await;
    assert_eq!(done.code(), 1, "{}{}", done.stdout, done.stderr);
    for (file, name) in [
        ("playbook", "playbook"),
        ("connector", "connector"),
        ("playbook.test", "test"),
    ] {
        let text = fs::read_to_string(path(&format!("{file}.yaml"))).unwrap();
        let line = format!("# yaml-language-server: $schema=schemas/{name}.schema.json");
        assert_eq!(text.lines().next(), Some(&*line));
        let written = fs::read_to_string(path(&format!("schemas/{name}.schema.json"))).unwrap();
        assert_eq!(written, expect(0, &["schema", name]).await.stdout);
    }

    // Again: nothing changes. With a file of another text in the way, nothing is written.
    let shown = expect(0, &args).await.stdout;
    assert_eq!(
        shown.lines().filter(|line| line.starts_with("unchanged ")).count(),
        6,
        "{shown}"
    );
    fs::write(path("connector.yaml"), "mine").unwrap();
    fs::remove_file(path("playbook.yaml")).unwrap();
    let stderr = expect(2, &args).await.stderr;
    assert!(stderr.contains("connector.yaml` is there already"), "{stderr}");
    assert_eq!(fs::read_to_string(path("connector.yaml")).unwrap(), "mine");
    assert!(!Path::new(&path("playbook.yaml")).exists());
}
