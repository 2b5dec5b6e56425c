//! Steps that misbehave while they run.

use std::sync::Arc;
use std::time::Duration;

use playbook_host::run::{RunEvent, StepStatus};
use playbook_host::{CancellationToken, Playbook, RunInputs, Runner, Secrets};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{ENGINE, limits, ran, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_can_ask_what_it_may_use() {
    let ran = ran("say what it may use", json!({"timeout": 7})).await;
    // The time limit and the grace; an answer's body; memory.
    assert_eq!(said(&ran), format!("7200 ms, {} and {} bytes", 64 << 20, 96 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_misbehaviour_of_a_run_ends_in_its_own_error_and_harms_nobody() {
    for (how, words) in [
        (
            "spin",
            "plugin: plugin `hostile` was stopped: it computed for longer than the 2000 ms",
        ),
        (
            "allocate",
            "plugin: plugin `hostile` was stopped: it needs more than the 96 MiB of memory",
        ),
        (
            "recurse",
            "plugin: plugin `hostile` was stopped: it recursed too deeply",
        ),
        ("panic", "plugin: plugin `hostile` was stopped: it panicked: "),
        ("trap", "plugin: plugin `hostile` was stopped: "),
        (
            "return no JSON",
            "plugin: plugin `hostile` returned an invalid result: not JSON",
        ),
        (
            "return other JSON",
            "plugin: plugin `hostile` returned an invalid result: unknown key `more`",
        ),
        (
            "return deep JSON",
            "plugin: plugin `hostile` returned an invalid result: not JSON: recursion limit",
        ),
        (
            "return gigantic JSON",
            "plugin: plugin `hostile` was stopped: it handed over more than ",
        ),
        (
            "return many values",
            "plugin: plugin `hostile` returned an invalid result: ",
        ),
        ("fail with odd words", "internal: "),
    ] {
        let ran = ran(how, json!({"token": "{{ secrets.token }}"})).await;
        let said = said(&ran);
        assert!(said.starts_with(words), "{how}: {said}");
        assert!(said.len() < 5_000, "{how}: an error of {} bytes", said.len());
    }
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = peak.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?
            .trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
    });
    assert!(
        peak.is_none_or(|kilobytes| kilobytes < 2 << 20),
        "{peak:?} kB of memory were needed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_finds_nothing_of_another_call() {
    let mut runner = Runner::new(ENGINE.clone(), limits());
    runner.load("hostile", hostile_component::COMPONENT).await.unwrap();
    let step = |id: &str, token: &str, more: Value| {
        let params = json!({"how": "remember", "token": token});
        let mut step = json!({"id": id, "type": "misbehave", "params": params});
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        step
    };
    let items: Vec<String> = (0..12).map(|at| format!("item-{at}")).collect();
    let playbook = json!([
        step("one", "first", json!({})),
        step("two", "second", json!({})),
        step("each", "{{ item }}", json!({"for_each": items, "concurrency": 4})),
    ]);
    let playbook = Playbook::parse("hostile.yaml", &playbook.to_string()).unwrap();
    for _ in 0..2 {
        let prepared = runner
            .prepare(playbook.clone(), RunInputs::new(Secrets::default()))
            .unwrap();
        let report = runner
            .run(prepared, CancellationToken::new(), Arc::new(|_: RunEvent| ()))
            .await;
        let said = |step: usize| report.steps[step].result.clone().unwrap_or_default();
        assert_eq!(
            (said(0), said(1)),
            (json!({"said": "first"}), json!({"said": "second"})),
            "{report:?}"
        );
        for (entry, item) in said(2).as_array().unwrap().iter().zip(&items) {
            assert_eq!(entry["result"]["said"], json!(item), "{entry}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_never_ends_is_dropped_at_its_time_limit() {
    let began = std::time::Instant::now();
    let ran = ran("wait for ever", json!({"timeout": 1})).await;
    assert!(said(&ran).contains("did not"), "{}", said(&ran));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_are_dropped() {
    let logged = ran("flood the log", json!({})).await;
    assert!(logged.messages.len() <= 1_001, "{} messages", logged.messages.len());
    assert!(
        logged
            .messages
            .last()
            .unwrap()
            .contains("the rest of its messages is dropped")
    );
    let began = std::time::Instant::now();
    let progressed = ran("flood progress", json!({})).await;
    // What it says replaces what it said before, at a pace of twenty times a second.
    let most = 2 + began.elapsed().as_millis() / 50;
    let told = progressed.messages.len();
    assert!(told as u128 <= most, "{told}, and {most} are the most");
    assert!(told >= 2, "the last is told, too");
    let told = ran("flood parts", json!({})).await;
    // Nobody wanted them.
    assert!(
        said(&told) == "told" || said(&told).contains("it computed for longer"),
        "{}",
        said(&told)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_tells_its_secret_tells_nothing() {
    let told = ran("tell the secret", json!({"token": "{{ secrets.token }}"})).await;
    assert_eq!(told.report.steps[0].status, StepStatus::Success);
    assert!(told.messages.iter().any(|message| message.starts_with("the token is ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_item_holds_up_no_other() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let paths = ["/slow", "/1", "/2", "/3", "/4", "/5"];
    tokio::spawn(async move {
        // The first is answered once all others were.
        let others = Arc::new(tokio::sync::Semaphore::new(0));
        while let Ok((mut client, _)) = listener.accept().await {
            let others = others.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && client.read_buf(&mut request).await.unwrap() > 0 {}
                if request.starts_with(b"GET /slow") {
                    let _ = others.acquire_many(5).await.unwrap();
                }
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                client.write_all(answer.as_bytes()).await.unwrap();
                others.add_permits(1);
            });
        }
    });
    let mut runner = Runner::new(ENGINE.clone(), limits());
    runner.load("hostile", hostile_component::COMPONENT).await.unwrap();
    let playbook = json!([{
        "id": "each", "type": "misbehave", "for_each": paths, "concurrency": 2,
        "params": {"how": "send to", "url": url, "path": "{{ item }}"},
    }]);
    let playbook = Playbook::parse("each.yaml", &playbook.to_string()).unwrap();
    let prepared = runner.prepare(playbook, RunInputs::new(Secrets::default())).unwrap();
    let report = runner
        .run(prepared, CancellationToken::new(), Arc::new(|_: RunEvent| ()))
        .await;
    let result = report.steps[0].result.as_ref().unwrap().as_array().unwrap();
    let items: Vec<_> = result.iter().map(|entry| entry["item"].as_str().unwrap()).collect();
    assert_eq!(items, paths, "in the order of the list");
    for entry in result {
        assert_eq!(entry["result"]["said"].as_str(), Some("answered: 200 "), "{entry}");
    }
}
