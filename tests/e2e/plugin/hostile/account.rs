//! Whatever a plugin does after it has published something, and whatever it publishes, each target is accounted for.

use std::sync::Arc;

use playbook_host::run::{Observer, RunEvent, RunStatus, StepReport};
use playbook_host::sandbox::CallEvent;
use playbook_host::{CancellationToken, Playbook, RunInputs, RunReport, Runner, Secrets};
use serde_json::{Value, json};

use super::{ENGINE, limits};

/// What the hostile plugin publishes unless a test says otherwise: of four targets, one has an entry and one failed.
fn published() -> Value {
    json!([["a", ["x"]], ["b", {"failed": "no"}]])
}

async fn account(params: Value) -> RunReport {
    observed(params, CancellationToken::new(), Arc::new(|_: RunEvent| ())).await
}

async fn observed(params: Value, cancel: CancellationToken, observer: Observer) -> RunReport {
    let mut runner = Runner::new(ENGINE.clone(), limits());
    runner.load("hostile", hostile_component::COMPONENT).await.unwrap();
    let mut given = json!({"targets": [" a", "b", "c", "d", "a"], "publish": published()});
    given
        .as_object_mut()
        .unwrap()
        .extend(params.as_object().unwrap().clone());
    let step = json!([{"id": "ask", "type": "account", "params": given}]);
    let playbook = Playbook::parse("account.yaml", &step.to_string()).unwrap();
    let mut inputs = RunInputs::new(Secrets::default());
    inputs.parts = true;
    let prepared = runner.prepare(playbook, inputs).unwrap();
    runner.run(prepared, cancel, observer).await
}

fn error(step: &StepReport) -> &str {
    step.error.as_ref().map_or("", |error| &error.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn however_a_call_ends_what_it_published_is_in_the_result() {
    let account_of_all = json!({"found": {"a": ["x"]}, "partial": true, "silent": ["c", "d"], "failed": {"b": "no"}});
    for (how, words) in [
        ("nothing", ""),
        ("trap", "was stopped: it trapped"),
        ("panic", "it panicked: "),
        ("spin", "it computed for longer than"),
        ("allocate", "it needs more than the 96 MiB of memory"),
        ("recurse", "it recursed too deeply"),
        ("fail with odd words", "words"),
        ("wait for ever", "it did not return within"),
        ("return no JSON", "returned an invalid result: not JSON"),
        ("return other JSON", "returned an invalid result: unknown key `more`"),
        ("return gigantic JSON", "it handed over more than"),
        ("return what the host assembles", "`partial` is assembled by the host"),
        ("return no map", "it must be a map"),
    ] {
        let timeout = if how == "wait for ever" { 1 } else { 10 };
        let report = account(json!({"how": how, "timeout": timeout})).await;
        let step = &report.steps[0];
        assert_eq!(step.result.as_ref(), Some(&account_of_all), "{how}: {}", error(step));
        let expected = if words.is_empty() {
            RunStatus::Partial
        } else {
            RunStatus::Failed
        };
        assert_eq!(report.status, expected, "{how}: {}", error(step));
        if words != "words" {
            assert!(error(step).contains(words), "{how}: {}", error(step));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cancelled_keeps_what_it_published() {
    let cancel = CancellationToken::new();
    let stopping = cancel.clone();
    let observer = move |event: RunEvent| {
        if let RunEvent::Step {
            event: CallEvent::Part { subject, .. },
            ..
        } = event
            && subject == "b"
        {
            stopping.cancel();
        }
    };
    let report = observed(
        json!({"how": "wait for ever", "timeout": 60}),
        cancel,
        Arc::new(observer),
    )
    .await;
    let step = &report.steps[0];
    assert_eq!(report.status, RunStatus::Interrupted);
    assert_eq!(step.result.as_ref().unwrap()["found"], json!({"a": ["x"]}));
    assert!(error(step).contains("it was asked to stop"), "{}", error(step));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_looks_whether_it_is_asked_to_stop_sees_it_and_may_have_a_word_of_its_own() {
    let mut runner = Runner::new(ENGINE.clone(), limits());
    runner.load("hostile", hostile_component::COMPONENT).await.unwrap();
    let playbook = json!([{
        "id": "a", "type": "misbehave", "params": {"how": "work until asked to stop", "timeout": 20},
    }]);
    let playbook = Playbook::parse("a.yaml", &playbook.to_string()).unwrap();
    let prepared = runner.prepare(playbook, RunInputs::new(Secrets::default())).unwrap();
    let cancel = CancellationToken::new();
    let stopping = cancel.clone();
    let observer: Observer = Arc::new(move |event| {
        if let RunEvent::StepCalled { .. } = event {
            stopping.cancel();
        }
    });
    let report = runner.run(prepared, cancel, observer).await;
    let failure = report.steps[0].error.as_ref().unwrap();
    assert_eq!(failure.kind, "internal");
    assert!(
        failure.message.contains("asked-to-stop: it was asked"),
        "{}",
        failure.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_wrongly_is_a_failure_that_says_so() {
    for (entries, found, failed) in [
        // The last entry stands.
        (json!([["a", ["x"]], ["a", ["y"]]]), json!({"a": ["y"]}), json!({})),
        (
            json!([["a", ["x"]], ["a", {"failed": "no"}]]),
            json!({}),
            json!({"a": "no"}),
        ),
        // Nobody asked for it.
        (
            json!([["stranger", ["x"]], ["a", ["x"]]]),
            json!({"a": ["x"]}),
            json!({}),
        ),
        (
            json!([["a", "{"], ["b", ["x"]]]),
            json!({"b": ["x"]}),
            json!({"a": "not JSON"}),
        ),
        (
            json!([["a", "[1]"], ["b", ["x"]]]),
            json!({"b": ["x"]}),
            json!({"a": "the plugin published an entry that its schema refuses"}),
        ),
        (
            json!([["b", ["x"]], ["a", 5], ["c", 5]]),
            json!({"a": ["x".repeat(5 << 20)], "b": ["x"]}),
            json!({"c": "`result_mib` in a policy"}),
        ),
        (json!([["a", {"failed": "\u{1b}[2J"}]]), json!({}), json!({"a": " [2J"})),
    ] {
        let report = account(json!({"how": "nothing", "publish": entries})).await;
        let step = &report.steps[0];
        let result = step
            .result
            .as_ref()
            .unwrap_or_else(|| panic!("{entries}: {}", error(step)));
        assert!(result["found"] == found, "{entries}");
        let reasons = result["failed"].as_object().unwrap();
        let expected = failed.as_object().unwrap();
        assert_eq!(reasons.len(), expected.len(), "{entries}: {result}");
        for (target, words) in expected {
            let reason = reasons[target].as_str().unwrap();
            assert!(reason.contains(words.as_str().unwrap()), "{entries}: {reason}");
        }
        let all =
            result["found"].as_object().unwrap().len() + reasons.len() + result["silent"].as_array().unwrap().len();
        assert_eq!(all, 4, "{entries}: {result}");
    }
}
