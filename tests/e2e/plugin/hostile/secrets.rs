//! Plugins that want to know secrets, or to give them to others.

use std::sync::Arc;

use playbook_host::{CancellationToken, Playbook, RunInputs, RunReport, Runner, Secrets};
use serde_json::{Value, json};
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{ENGINE, TOKEN, limits};

/// What the servers of these tests give for a login.
const SESSION: &str = "sess10n-of-one-server";

async fn run(steps: &Value) -> RunReport {
    let mut runner = Runner::new(ENGINE.clone(), limits());
    runner.load("hostile", hostile_component::COMPONENT).await.unwrap();
    let playbook = Playbook::parse("hostile.yaml", &steps.to_string()).unwrap();
    let secrets = Secrets::new([("token".to_owned(), TOKEN.to_owned().into())]);
    let prepared = runner.prepare(playbook, RunInputs::new(secrets)).unwrap();
    let report = runner.run(prepared, CancellationToken::new(), Arc::new(|_| ())).await;
    let shown = serde_json::to_string(&report).unwrap();
    assert!(!shown.contains(TOKEN) && !shown.contains(SESSION), "{shown}");
    report
}

fn said(report: &RunReport, step: usize) -> &str {
    let step = &report.steps[step];
    step.result
        .as_ref()
        .and_then(|result| result["said"].as_str())
        .unwrap_or_else(|| panic!("{step:?}"))
}

/// A server that gives sessions and repeats what it was sent.
async fn server(login: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/login")).respond_with(login).mount(&server).await;
    let echo = |request: &wiremock::Request| {
        let headers = format!("{:?}", request.headers).replace('"', "\\\"");
        ResponseTemplate::new(200).set_body_string(format!("{{\"echo\": \"{headers}\", \"session\": \"{SESSION}\"}}"))
    };
    Mock::given(any()).respond_with(echo).mount(&server).await;
    server
}

fn login() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"token": SESSION}))
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handle_of_a_call_is_worth_nothing_in_another() {
    let (one, two) = (server(login()).await, server(login()).await);
    let token = "{{ secrets.token }}";
    let data = "{{ steps.one.result.said }}";
    // Another server, and the same one in another call.
    let report = run(&json!([
        {"id": "one", "type": "misbehave", "params": {"how": "give the handle away", "url": one.uri(), "token": token}},
        {"id": "two", "type": "misbehave",
         "params": {"how": "use the handle of another call", "url": two.uri(), "token": token, "data": data}},
        {"id": "three", "type": "misbehave",
         "params": {"how": "use the handle of another call", "url": one.uri(), "token": token, "data": data}},
    ]))
    .await;
    assert!(reversed(said(&report, 0)).starts_with("secret-handle-"), "{report:?}");
    for step in [1, 2] {
        let outcomes: Vec<&str> = said(&report, step).split("; ").collect();
        assert_eq!(outcomes.len(), 4, "{outcomes:?}");
        for outcome in outcomes {
            assert!(
                outcome.contains("InvalidRequest: a secret handle that this call was not given"),
                "{outcome}"
            );
        }
    }
    for server in [one, two] {
        assert!(server.received_requests().await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_one_server_is_nothing_that_a_playbook_or_another_server_can_have() {
    let (one, two) = (server(login()).await, server(login()).await);
    let report = run(&json!([
        {"id": "one", "type": "misbehave",
         "params": {"how": "log in and look", "url": one.uri(), "capture": ["/token"], "wanted": reversed(SESSION)}},
        // The session was called `token`, and so is a secret.
        {"id": "two", "type": "misbehave",
         "params": {"how": "send a header", "url": two.uri(), "name": "x-token", "value": "{{ secrets.token }}"}},
        {"id": "three", "type": "misbehave",
         "params": {"how": "use the handle of another call", "url": two.uri(),
                    "data": "{{ (steps.one.result.said | split('handle ') | list)[1] }}"}},
    ]))
    .await;
    let sent = two.received_requests().await.unwrap();
    assert_eq!(sent.len(), 1, "{report:?}");
    assert_eq!(sent[0].headers["x-token"], TOKEN);
    assert!(said(&report, 1).contains("answered: 200"), "{report:?}");
    assert!(!said(&report, 2).contains("answered"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn however_a_login_is_answered_the_plugin_does_not_see_the_token() {
    let body = |text: &str| ResponseTemplate::new(200).set_body_raw(text.replace("TOKEN", SESSION), "application/json");
    let odd = [
        (r#"{"token": "TOKEN"}"#, &["/token"][..], true),
        (
            r#"{"token": "TOKEN", "again": ["TOKEN", {"TOKEN": 1}]}"#,
            &["/token"],
            true,
        ),
        (r#"{"data": {"Token": "TOKEN"}}"#, &["/token"], true),
        (r#"{"token": "TOKEN"} "#, &["/nothing", "/a/token"], true),
        (r#"{"token": "TOKEN"} more"#, &["/token"], false),
        ("\u{feff}{\"token\": \"TOKEN\"}", &["/token"], false),
        (r#"{"token": "TOKEN", "token": "x"}"#, &["/token"], false),
        (r#"["TOKEN"]"#, &["/0"], false),
        (r#""TOKEN""#, &[""], false),
        (r#"{"token": {"is": "TOKEN"}}"#, &["/token"], false),
    ];
    for (text, capture, answered) in odd {
        let login = body(text).insert_header("x-token", SESSION);
        let one = server(login).await;
        let report = run(&json!([{"id": "one", "type": "misbehave", "params": {
            "how": "log in and look", "url": one.uri(), "capture": capture, "wanted": reversed(SESSION),
            "then": if answered { vec!["/me", "/me"] } else { vec![] },
        }}]))
        .await;
        let said = said(&report, 0);
        assert!(!said.contains("shows it"), "{text}: {said}");
        assert_eq!(
            said.contains("/login failed with FailureKind::Denied"),
            !answered,
            "{text}: {said}"
        );
    }
}
