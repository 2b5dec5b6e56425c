//! `playbook run --dry-run`: that it sends nothing, shows no secret, and reads well.

use std::net::TcpListener;

use playbook_host::run::plan::Prospect;
use playbook_host::{Engine, Limits, Playbook, RunInputs, Runner, Secrets};
use serde_json::json;

use crate::command::run;

/// Alert, playbook and secrets of a case, with a listener in the place of its servers.
struct Case {
    directory: tempfile::TempDir,
    nobody: TcpListener,
}

const TOKEN: &str = "S3cr3t-token/with+signs==";
const PASSWORD: &str = "correct horse \"battery\" staple";

const PLAYBOOK: &str = r#"
name: Look at the host
steps:
  - id: users
    name: Who is logged in?
    type: osquery_live_query
    retry_max: 2
    params:
      backend: fleetdm
      base_url: "{{ vars.server }}/fleet"
      api_token: "{{ secrets.token }}"
      template: logged_in_users
      template_params: {limit: "{{ alert.limit }}"}
      target_hosts: "{{ alert.hosts }}"
  - id: each
    type: osquery_live_query
    for_each: "{{ alert.hosts }}"
    concurrency: 2
    on_failure: continue
    params:
      backend: osctrl
      base_url: "{{ vars.server }}"
      environment: production
      username: "soc"
      password: "{{ secrets.password }}"
      template: recently_modified_files
      template_params: {since: 24h, path: /etc}
      target_hosts: ["{{ item }}"]
      timeout_seconds: 90
  - id: trivial
    type: osquery_live_query
    when: alert.severity == 'low'
    params: {backend: fleetdm, base_url: "{{ vars.server }}", api_token: "{{ secrets.token }}", template: logged_in_users, target_hosts: [a]}
  - id: closer
    type: osquery_live_query
    when: steps.users.result.partial
    params:
      backend: fleetdm
      base_url: "https://fleet.corp.example.com"
      verify_tls: false
      api_token: "{{ secrets.token }}"
      template: active_connections
      target_hosts: ["{{ steps.users.result.timed_out_hosts | first }}"]
"#;

impl Case {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
        nobody.set_nonblocking(true).unwrap();
        let alert = json!({"hosts": ["web-01", "web\u{1b}[31m-02"], "limit": 7, "severity": "high"});
        std::fs::write(directory.path().join("playbook.yaml"), PLAYBOOK).unwrap();
        std::fs::write(directory.path().join("alert.json"), alert.to_string()).unwrap();
        Self { directory, nobody }
    }

    fn server(&self) -> String {
        format!("http://{}", self.nobody.local_addr().unwrap())
    }

    async fn dry_run(&self, more: &[&str]) -> crate::command::Finished {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        let (playbook, alert) = (path("playbook.yaml"), path("alert.json"));
        let server = format!("server={}", self.server());
        let mut args = vec!["run", &playbook, "--dry-run", "--alert", &alert, "--var", &server];
        args.extend(more);
        run(&args, &[("token", TOKEN), ("password", PASSWORD)]).await
    }

    fn assert_nobody_came(&self) {
        let came = self.nobody.accept().expect_err("nobody came");
        assert_eq!(came.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_reads_well() {
    let case = Case::new();
    let done = case.dry_run(&[]).await;
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""), "{}", done.stdout);
    let mut page = done.stdout.replace(&case.server(), "http://<server>");
    // The only numbers of ten digits are moments.
    let since: Vec<String> = page
        .split(|c: char| !c.is_ascii_digit())
        .filter(|run| run.len() == 10)
        .map(str::to_owned)
        .collect();
    for moment in since {
        page = page.replace(&moment, "<moment>");
    }
    let page: String = page
        .split_inclusive('\n')
        .map(|line| match line.split_once("<moment> is ") {
            Some((before, after)) => {
                let rest = after.split_once(',').map_or("", |(_, rest)| rest);
                format!("{before}<moment> is <time>,{rest}")
            }
            None => line.to_owned(),
        })
        .collect();
    insta::assert_snapshot!("page", page);
    case.assert_nobody_came();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_handle_is_shown_however_much_is_said() {
    let case = Case::new();
    for more in [
        &["--output", "json"][..],
        &["--output", "table"],
        &["-v"],
        &["-vv", "--output", "json"],
        &["-vvv"],
    ] {
        let done = case.dry_run(more).await;
        assert_eq!(done.code(), 0, "{more:?}: {}", done.stderr);
        for text in [&done.stdout, &done.stderr] {
            for hidden in [TOKEN, PASSWORD, "battery", "secret-handle-", "\u{1b}[31m-02"] {
                assert!(!text.contains(hidden), "{more:?} shows `{hidden}`: {text}");
            }
        }
        assert!(done.stdout.contains("token"), "{}", done.stdout);
    }
    case.assert_nobody_came();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_gets_the_plan_as_a_value() {
    let mut runner = Runner::new(Engine::new(None).unwrap(), Limits::default());
    runner.load("osquery", embedded_plugin::COMPONENT).await.unwrap();
    let playbook = Playbook::parse("p.yaml", PLAYBOOK).unwrap();
    let mut inputs = RunInputs::new(Secrets::new([
        ("token".to_owned(), TOKEN.into()),
        ("password".to_owned(), PASSWORD.into()),
    ]));
    inputs.alert = json!({"hosts": ["web-01"], "limit": 7, "severity": "high"});
    inputs.vars.insert("server".to_owned(), json!("http://127.0.0.1:1"));
    let prepared = runner.prepare(playbook.clone(), inputs).unwrap();
    let as_of = "2026-02-03T04:05:06Z".parse().unwrap();
    let plan = runner.plan(&prepared, as_of).await;
    let prospects: Vec<Prospect> = plan.steps.iter().map(|step| step.prospect).collect();
    assert_eq!(
        prospects,
        [Prospect::Runs, Prospect::Runs, Prospect::Skipped, Prospect::Undecided]
    );
    let template = plan.steps[1].calls[0].template.as_ref().unwrap();
    let moment = &template.moments[0];
    assert_eq!(moment.time.to_string(), "2026-02-02T04:05:06Z");
    assert!(template.text.as_ref().unwrap().contains(&moment.written));
    assert!(!plan.fails());
}
