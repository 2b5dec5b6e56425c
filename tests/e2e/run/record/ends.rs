//! Records of runs that end otherwise than planned.

use serde_json::Value;

use super::{PLAYBOOK, Recorded, SECRETS, replay};
use crate::command::{finish, playbook};

/// A run that waits for a host that never answers.
const WAITING: &str = r#"
- id: waits
  type: osquery_live_query
  params:
    backend: fleetdm
    base_url: "{{ vars.fleet_url }}"
    api_token: "{{ secrets.token }}"
    template: logged_in_users
    target_hosts: [laptop-7]
    timeout_seconds: 60
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_leaves_a_record_that_replays_its_end() {
    let recorded = Recorded::start(WAITING).await;
    let args = recorded.args(&["--record-traffic"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let child = playbook(&args, &SECRETS).spawn().unwrap();
    while recorded.fleet.campaigns().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let done = finish(child).await;
    assert_eq!(done.code(), 130, "{}", done.stderr);
    let record = recorded.record();
    let value: Value = serde_json::from_str(&std::fs::read_to_string(&record).unwrap()).unwrap();
    assert_eq!(value["report"]["status"], "interrupted");
    assert!(value["calls"][0]["transcript"]["stop_asked_us"].is_u64(), "{value:#}");
    let replayed = replay(&record, &[]).await;
    assert_eq!(replayed.code(), 0, "{}\n{}", replayed.stdout, replayed.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_costs_none_of_the_results() {
    let recorded = Recorded::start(PLAYBOOK).await;
    let page = recorded.path("run.html");
    for output in ["table", "json", "ndjson"] {
        let args = recorded.args(&["--record-traffic", "--report", &page, "--output", output]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let command = playbook(&args, &SECRETS);
        let mut full = tokio::process::Command::new("sh");
        // No file of this process can grow.
        full.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
            .arg(command.as_std().get_program())
            .args(command.as_std().get_args())
            .envs(
                command
                    .as_std()
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let done = finish(full.spawn().unwrap()).await;
        assert_eq!(done.code(), 1, "{output}: {}", done.stderr);
        assert!(done.stdout.contains("root"), "{output}: {}", done.stdout);
        for words in ["the record", "run.html"] {
            assert!(done.stderr.contains(words), "{output}, {words}: {}", done.stderr);
        }
        assert!(!std::path::Path::new(&page).exists());
        let left = std::fs::read_dir(recorded.path("records")).unwrap().count();
        assert_eq!(left, 0, "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_ended_at_once_leaves_no_unfinished_files() {
    let recorded = Recorded::start(WAITING).await;
    let page = recorded.path("run.html");
    let args = recorded.args(&["--report", &page]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let child = playbook(&args, &SECRETS).spawn().unwrap();
    while recorded.fleet.campaigns().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    // The second is not waited for.
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        rustix::process::kill_process(pid, signal).unwrap();
    }
    assert_eq!(finish(child).await.code(), 130);
    for folder in [recorded.path("."), recorded.path("records")] {
        for file in std::fs::read_dir(folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(!name.starts_with(".playbook-"), "{name}");
        }
    }
}
