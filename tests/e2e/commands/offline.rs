//! The commands that send nothing, and the demo.

use serde_json::{Value, json};

use crate::command::run;
use crate::repository;

/// Runs the command, expects this exit status, and returns what it printed to stdout and to stderr.
async fn expect(status: i32, args: &[&str]) -> (String, String) {
    let done = run(args, &[]).await;
    assert_eq!(done.code(), status, "{args:?}\n{}{}", done.stdout, done.stderr);
    (done.stdout, done.stderr)
}

async fn json_of(args: &[&str]) -> Value {
    let (stdout, _) = expect(0, args).await;
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {stdout}"))
}

#[tokio::test]
async fn templates_lists_the_allowlist_and_fills_it_in() {
    let (list, _) = expect(0, &["templates"]).await;
    for name in [
        "running_processes",
        "active_connections",
        "logged_in_users",
        "recently_modified_files",
        "listening_ports",
        "recent_files",
        "process_tree",
        "package_inventory",
    ] {
        assert!(list.contains(name), "{list}");
    }
    let (sql, _) = expect(
        0,
        &[
            "templates",
            "process_tree",
            "--param",
            "pid=4242",
            "--param",
            "max_depth=3",
        ],
    )
    .await;
    assert!(sql.contains("4242") && sql.to_lowercase().contains("select"), "{sql}");
    let shown = json_of(&[
        "templates",
        "running_processes",
        "--param",
        "limit=7",
        "--output",
        "json",
    ])
    .await;
    assert!(shown["text"].as_str().unwrap().contains("LIMIT 7"), "{shown}");

    for (args, words) in [
        (&["templates", "raw_sql"][..], "there is no template `raw_sql`"),
        (&["templates", "process_tree", "--param", "pid=one"], "pid"),
        (&["templates", "running_processes", "--param", "limit=100000"], "limit"),
        (
            &["templates", "running_processes", "--param", "limit=1; DROP TABLE x"],
            "limit",
        ),
        (&["templates", "running_processes", "--param", "lmit=1"], "lmit"),
        (&["templates", "--param", "limit=1"], "NAME"),
    ] {
        let (stdout, stderr) = expect(2, args).await;
        assert!(stderr.contains(words) && stdout.is_empty(), "{args:?}: {stderr}");
    }
}

#[tokio::test]
async fn schema_prints_the_schemas_of_the_repository() {
    let schemas = [
        ("playbook", "playbook"),
        ("connector", "connector"),
        ("test", "test"),
        ("run", "run"),
        ("run-event", "run-event"),
        ("plan", "plan"),
        ("policy", "policy"),
        ("record", "record"),
        ("plugin", "plugin"),
        ("osquery_live_query", "osquery_live_query.params"),
        ("osquery_live_query.result", "osquery_live_query.result"),
        ("fleetdm.config", "fleetdm.config"),
        ("fleetdm.connector_config", "fleetdm.options"),
        ("fleetdm.event.aisoc", "event"),
        ("fleetdm.event.ocsf", "event.ocsf"),
        ("fleetdm.event.ecs", "event.ecs"),
        ("osctrl.config", "osctrl.config"),
        ("osctrl.connector_config", "osctrl.options"),
        ("osctrl.event.aisoc", "event"),
        ("osctrl.event.ocsf", "event.ocsf"),
        ("osctrl.event.ecs", "event.ecs"),
    ];
    let (names, _) = expect(0, &["schema"]).await;
    let listed: Vec<&str> = schemas.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.lines().collect::<Vec<_>>(), listed);
    for (name, file) in schemas {
        let file = std::fs::read_to_string(repository::path(&format!("schemas/{file}.schema.json"))).unwrap();
        let file: Value = serde_json::from_str(&file).unwrap();
        assert_eq!(json_of(&["schema", name]).await, file, "{name}");
    }
    let (_, stderr) = expect(2, &["schema", "playbok"]).await;
    assert!(stderr.contains("there is no schema `playbok`"), "{stderr}");
}

#[tokio::test]
async fn validate_accepts_the_shipped_playbooks_and_names_each_bad_file() {
    let shipped = [
        "playbooks/look-closer.yaml",
        "playbooks/triage-logged-users.yaml",
        "playbooks/triage-running-procs.yaml",
        "playbooks/demo/triage.yaml",
    ]
    .map(|file| repository::path(file).display().to_string());
    let mut args = vec!["validate"];
    args.extend(shipped.iter().map(String::as_str));
    expect(0, &args).await;

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let step = "- id: a\n  type: osquery_live_query\n  params:\n    backend: fleetdm\n    template: logged_in_user\n";
    let (one, other) = (write("one.yaml", step), write("other.yaml", "- id: [\n"));
    let (_, stderr) = expect(2, &["validate", &one, &shipped[0], &other, "/nowhere.yaml"]).await;
    for words in [
        "one.yaml:5:15",
        "logged_in_users",
        "base_url",
        "credentials are missing",
        "other.yaml",
        "/nowhere.yaml",
    ] {
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
}

#[tokio::test]
async fn a_plugin_is_described_with_its_hash() {
    let shown = json_of(&["plugin", "inspect", "--output", "json"]).await;
    assert_eq!(shown["sha256"].as_str().unwrap().len(), 64, "{shown}");
    let (table, _) = expect(0, &["plugin", "inspect"]).await;
    assert!(
        table.contains("osquery_live_query") && table.contains(shown["sha256"].as_str().unwrap()),
        "{table}"
    );
}

#[tokio::test]
async fn help_version_and_completions() {
    let (version, _) = expect(0, &["--version"]).await;
    let expected = concat!("playbook ", env!("CARGO_PKG_VERSION"), " (contract playbook:plugin@");
    assert!(version.starts_with(expected), "{version}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (script, _) = expect(0, &["completions", shell]).await;
        assert!(script.contains("validate"), "{shell}");
    }
    let (help, _) = expect(0, &["run", "--help"]).await;
    assert!(help.contains("Exit status") && help.contains("Example"), "{help}");
    let (_, stderr) = expect(2, &["vlidate", "triage.yaml"]).await;
    assert!(stderr.contains("'validate'"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_every_fate_of_a_host_on_both_fleet_managers() {
    let report = json_of(&["demo", "--output", "json"]).await;
    for step in ["fleet-users", "osctrl-users"] {
        let steps = report["steps"].as_array().unwrap();
        let result = &steps.iter().find(|shown| shown["id"] == step).unwrap()["result"];
        let answered: Vec<&String> = result["results"].as_object().unwrap().keys().collect();
        assert_eq!(answered, ["web-01", "web-02", "db-01"], "{step}");
        assert_eq!(result["timed_out_hosts"], json!(["laptop-7"]), "{step}");
        assert_eq!(
            result["failed_hosts"],
            json!({"build-03": "distributed query is denylisted"}),
            "{step}"
        );
    }
}
