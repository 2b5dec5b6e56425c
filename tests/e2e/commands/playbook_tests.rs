//! `playbook test`: cases that pass, cases that do not, and files that are no tests.

use std::time::{Duration, Instant};

use playbook_host::text::Source;
use playbook_host::{Engine, Limits, Playbook, Runner};
use serde_json::json;
use tempfile::TempDir;

use crate::command::{Finished, run};
use crate::repository;

const PLAYBOOK: &str = r#"
name: Look closer
vars: {limit: 100}
steps:
  - id: users
    type: osquery_live_query
    retry_max: 5
    on_failure: continue
    params:
      backend: fleetdm
      base_url: "http://fleet.example.com"
      client_certificate: nowhere.pem
      api_token: "{{ secrets.fleetdm_token }}"
      template: logged_in_users
      template_params: {limit: "{{ vars.limit }}"}
      target_hosts: "{{ alert.hosts }}"
  - id: missing
    type: condition
    when: steps.users.status == 'partial'
    next_true: closer
    next_false: closer
  - id: closer
    type: osquery_live_query
    for_each: "{{ steps.users.result.results | list }}"
    when: steps.users.status != 'failed'
    params:
      backend: fleetdm
      base_url: "https://fleet.example.com"
      api_token: "{{ secrets.fleetdm_token }}"
      ca_file: nowhere.pem
      template: recently_modified_files
      template_params: {since: 24h, path: /etc}
      target_hosts: ["{{ item }}"]
"#;

const ROWS: &str =
    "{results: {web-01: [{user: root}], web-02: []}, partial: false, timed_out_hosts: [], failed_hosts: {}}";

fn folder(tests: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("closer.yaml"), PLAYBOOK).unwrap();
    std::fs::write(folder.path().join("closer.test.yaml"), tests.replace("ROWS", ROWS)).unwrap();
    folder
}

async fn test(folder: &TempDir, file: &str, more: &[&str]) -> Finished {
    let path = folder.path().join(file).display().to_string();
    let mut done = run(&[&["test", &path], more].concat(), &[("fleetdm_token", "a-real-one")]).await;
    for text in [&mut done.stdout, &mut done.stderr] {
        *text = text.replace(&format!("{}/", folder.path().display()), "");
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_tests_pass() {
    let files = repository::yaml_files(&repository::path("playbooks")).into_iter();
    let files: Vec<String> = files.map(|file| file.display().to_string()).collect();
    let tests = files.iter().filter(|file| file.ends_with(".test.yaml"));
    let mut args = vec!["test"];
    args.extend(tests.map(String::as_str));
    assert!(args.len() > 1, "none of {files:?} is a file of tests");
    let done = run(&args, &[]).await;
    assert_eq!(done.code(), 0, "{}\n{}", done.stdout, done.stderr);
    assert!(done.stdout.ends_with(" passed, 0 failed\n"), "{}", done.stdout);
    args[0] = "validate";
    let done = run(&args, &[]).await;
    assert_eq!(done.code(), 0, "{}\n{}", done.stdout, done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_init_writes_passes_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(run(&["init", path], &[]).await.code(), 0);
    let done = test(&folder, "playbook.yaml", &[]).await;
    assert_eq!(done.code(), 0, "{}\n{}", done.stdout, done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_runs_as_a_run_does() {
    let folder = folder(
        r#"
cases:
  - name: all of it
    alert: {hosts: [web-01, web-02]}
    vars: {limit: "7"}
    now: 2026-02-03T04:05:06Z
    steps:
      users: [{failure: unavailable}, {failure: {kind: rate-limited}}, {failure: unavailable}, {failure: unavailable}, {failure: unavailable}, {result: ROWS}]
      closer:
        items:
          - {result: ROWS, partial: true}
          - [{result: ROWS}]
    expect:
      status: partial
      runs: [closer, users, missing]
      steps:
        users:
          attempts: 6
          params: {api_token: ‹secret fleetdm_token›, template_params: {limit: 7}, target_hosts: [web-01, web-02]}
          text: |
            SELECT user, type, host, tty, time, pid
            FROM logged_in_users
            WHERE type NOT IN ('empty', 'boot_time', 'new_time', 'old_time', 'init', 'login', 'dead', 'runlevel', 'accounting')
            ORDER BY time DESC LIMIT 7
          result: {results: {web-01: [{user: root}]}}
        missing: {status: success, holds: false, next: closer}
        closer:
          status: partial
          items: 2
          calls:
            - params: {target_hosts: [web-01]}
              text: |
                SELECT path, filename, size, mtime, ctime, uid, gid, mode FROM file
                WHERE path LIKE '/etc/%%' AND type = 'regular' AND mtime > 1770005106 ORDER BY mtime DESC, path LIMIT 100
            - params: {target_hosts: [web-02]}
  - name: a query that may have started is not started again
    alert: {hosts: [web-01]}
    steps: {users: {failure: {kind: unavailable, message: the gateway says 502, acted: true}}}
    expect:
      status: failed
      steps: {users: {status: failed, attempts: 1, error: unavailable}, closer: {status: skipped, reason: when}}
  - name: an alert without hosts
    expect: {invalid: undefined-variable}
"#,
    );
    let done = test(&folder, "closer.yaml", &[]).await;
    assert_eq!(done.code(), 0, "{}\n{}", done.stdout, done.stderr);
    let done = test(&folder, "closer.test.yaml", &["--output", "json"]).await;
    let report = done.report();
    assert_eq!((&report["passed"], &report["failed"]), (&json!(3), &json!(0)));
    assert_eq!(
        report["files"][0]["cases"][1]["name"],
        "a query that may have started is not started again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_of_a_case_do_not_wait() {
    const TESTS: &str = "
cases:
  - name: never up
    alert: {hosts: [web-01]}
    steps: {users: {failure: unavailable}}
    expect: {status: failed, steps: {users: {attempts: 11}}}
";
    let mut runner = Runner::new(Engine::new(None).unwrap(), Limits::default());
    runner.load("osquery", embedded_plugin::COMPONENT).await.unwrap();
    let playbook = Playbook::parse("p.yaml", &PLAYBOOK.replace("retry_max: 5", "retry_max: 10")).unwrap();
    let tests = runner.read_tests(Source::new("p.test.yaml", TESTS)).unwrap();
    let began = Instant::now();
    let report = runner.test(&tests, playbook.clone(), false).await.unwrap();
    assert!(report.passed(), "{report:?}");
    // The waits would be two and a half minutes, on average.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_expected_is_told_with_its_place() {
    let folder = folder(
        r#"
cases:
  - name: nothing is as expected
    alert: {hosts: [web-01]}
    steps:
      users: {result: ROWS}
      closer: {failure: {kind: auth, message: "no\u001b[2J"}}
    expect:
      status: success
      runs: [users, missing]
      steps:
        users:
          status: partial
          attempts: 3
          error: auth
          params: {target_host: [web-01], target_hosts: [web-02], template_params: {limit: "100"}}
          text: SELECT 1
          result: {results: {web-01: [{user: mallory}]}}
        missing: {holds: true, next: users}
        closer:
          items: 3
          calls: [{text: ""}]
  - name: not all is answered
    alert: {hosts: [web-01]}
    steps:
      users: [{failure: unavailable}]
    expect: {status: success}
  - name: invalid in another way
    alert: {}
    expect: {invalid: missing-var}
  - name: not invalid at all
    alert: {hosts: [web-01]}
    steps: {users: {failure: auth}}
    expect: {invalid: missing-var}
  - name: invalid all the same
    expect: {status: success}
"#,
    );
    let done = test(&folder, "closer.yaml", &[]).await;
    assert_eq!((done.code(), done.stderr.as_str()), (1, ""));
    insta::assert_snapshot!("unmet", done.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_file_of_tests_is_shown_as_in_a_playbook() {
    let folder = folder(
        r"
cases:
  - name: names
    alert: {hosts: [web-01]}
    steps:
      user: {result: ROWS}
      missing: {failure: auth}
      closer: {failure: aut}
      users: {items: [{result: ROWS}], result: ROWS}
    expect:
      status: succes
      runs: [users, closr]
      steps:
        users: {state: success, next: nowhere}
  - name: answers
    steps:
      users: {result: {results: [], partial: false, timed_out_hosts: []}}
      closer: {}
    expect: {invalid: undefined-varable, status: failed}
  - name: a moment
    now: yesterday
    record: nowhere.json
    expect: {status: success}
  - nam: nothing is expected
",
    );
    for command in ["test", "validate"] {
        let path = folder.path().join("closer.test.yaml").display().to_string();
        let done = run(&[command, &path], &[]).await;
        assert_eq!((done.code(), done.stdout.as_str()), (2, ""));
        let shown = done.stderr.replace(&format!("{}/", folder.path().display()), "");
        insta::assert_snapshot!("invalid-tests", shown);
    }
    // What needs the playbook is told once the file fits its schema.
    let done = self::folder(
        r"
cases:
  - name: names
    record: nowhere.json
    steps:
      user: {result: ROWS}
      missing: {failure: auth}
      users: {items: [{result: {results: [], partial: false, timed_out_hosts: [], failed_host: {}}}]}
    expect:
      runs: [users, closr]
      steps: {missing: {next: nowhere}, usrs: success}
",
    );
    let done = test(&done, "closer.yaml", &[]).await;
    assert_eq!((done.code(), done.stdout.as_str()), (2, ""));
    insta::assert_snapshot!("tests-that-do-not-fit", done.stderr);
    let done = run(
        &[
            "test",
            repository::path("playbooks/triage-running-procs.yaml")
                .to_str()
                .unwrap(),
        ],
        &[],
    )
    .await;
    assert_eq!(done.code(), 2);
    assert!(
        done.stderr.contains("triage-running-procs.test.yaml"),
        "{}",
        done.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_run_becomes_a_case() {
    let folder = tempfile::tempdir().unwrap();
    let record = std::fs::read_to_string(repository::path("tests/records/v1.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&record).unwrap();
    std::fs::write(folder.path().join("v1.json"), &record).unwrap();
    std::fs::write(
        folder.path().join("triage.yaml"),
        value["inputs"]["playbook"]["text"].as_str().unwrap(),
    )
    .unwrap();
    std::fs::write(
        folder.path().join("triage.test.yaml"),
        r"
cases:
  - name: as it was
    record: v1.json
    expect:
      status: failed
      steps:
        users: {status: partial, result: {timed_out_hosts: [laptop-7]}}
        each: {status: failed, items: 2, error: not-found}
        processes: {status: partial, params: {template_params: {limit: 2}}}
        quiet: {status: skipped, reason: when}
  - name: had the alert been less serious
    record: v1.json
    alert: {severity: low, hosts: [web-01]}
    steps:
      quiet: {failure: timeout}
    expect:
      steps: {quiet: failed, users: partial}
",
    )
    .unwrap();
    let done = test(&folder, "triage.yaml", &[]).await;
    assert_eq!(done.code(), 0, "{}\n{}", done.stdout, done.stderr);
}
