//! Plugins that misbehave: each ends in a typed error that names it, within its limits, and the host goes on.

mod account;
mod costs;
mod describe;
mod load;
mod network;
mod run;
mod secrets;
mod sessions;

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use playbook_host::run::{RunEvent, StepStatus};
use playbook_host::sandbox::CallEvent;
use playbook_host::{CancellationToken, Engine, Limits, Playbook, RunInputs, RunReport, Runner, Secrets};
use serde_json::{Value, json};

/// Compiles the hostile plugin once for all tests.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let cache = tempfile::tempdir().unwrap().keep();
    Engine::new(Some(&cache)).unwrap()
});

/// How many connections a call may have open at once.
const CONNECTIONS: usize = 16;

const TOKEN: &str = "tq-8842-secret-value";

/// Small limits, so that tests are fast.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.cpu = Duration::from_secs(2);
    limits.memory = 96 << 20;
    limits.deadline = Duration::from_secs(20);
    limits.grace = Duration::from_millis(200);
    limits.result = 8 << 20;
    limits.connections = CONNECTIONS;
    limits
}

/// What came of a run, and what was shown meanwhile.
struct Ran {
    report: RunReport,
    messages: Vec<String>,
}

/// Runs a step that misbehaves, and then one that does not.
async fn ran(how: &str, params: Value) -> Ran {
    let mut runner = Runner::new(ENGINE.clone(), limits());
    runner.load("hostile", hostile_component::COMPONENT).await.unwrap();
    let mut given = json!({"how": how});
    given
        .as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    let playbook = json!([
        {"id": "hostile", "type": "misbehave", "on_failure": "continue", "params": given},
        {"id": "next", "type": "misbehave", "params": {"how": "nothing"}},
    ]);
    let playbook = Playbook::parse("hostile.yaml", &playbook.to_string()).unwrap();
    let secrets = Secrets::new([("token".to_owned(), TOKEN.to_owned().into())]);
    let prepared = runner.prepare(playbook.clone(), RunInputs::new(secrets)).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let seen = seen.clone();
        Arc::new(move |event: RunEvent| {
            let mut seen = seen.lock().unwrap();
            if let RunEvent::Step { event, .. } = event {
                match event {
                    CallEvent::Log { message, .. } => seen.push(message),
                    CallEvent::Progress(progress) => seen.push(progress.message),
                    _ => {}
                }
            }
        })
    };
    let report = runner.run(prepared, CancellationToken::new(), observer).await;
    let messages = std::mem::take(&mut *seen.lock().unwrap());
    for message in &messages {
        assert!(!message.contains(char::is_control), "a forged line: {message:?}");
        assert!(message.len() < 2_100, "a message of {} bytes", message.len());
    }
    let shown = serde_json::to_string(&report).unwrap() + &messages.join("\n");
    assert!(!shown.contains(TOKEN), "the secret is in {shown}");
    assert!(!shown.contains("secret-handle-"), "a handle is in {shown}");
    assert_eq!(
        report.steps[1].status,
        StepStatus::Success,
        "the next step: {:?}",
        report.steps[1]
    );
    Ran { report, messages }
}

/// What the misbehaving step says, or how it failed.
fn said(ran: &Ran) -> String {
    let step = &ran.report.steps[0];
    match (&step.error, &step.result) {
        (Some(error), _) => format!("{}: {}", error.kind, error.message),
        (None, Some(result)) => result["said"].as_str().unwrap().to_owned(),
        (None, None) => panic!("neither result nor error: {step:?}"),
    }
}
