//! Plugins that misbehave: each ends in a typed error that names it, within its limits, and the host goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use playbook_host::{
    CallError, CallEvent, CancellationToken, Engine, Limits, Playbook, Plugin, PluginError, RunEvent, RunInputs,
    RunReport, Runner, Secrets, StepStatus,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A component of the contract whose `describe` has this body.
fn component(describe: &str) -> Vec<u8> {
    let module = format!(
        r#"(module
            (import "playbook:plugin/log@0.1.0" "panicked" (func $panicked (param i32 i32)))
            (import "playbook:plugin/clock@0.1.0" "sleep" (func $sleep (param i64)))
            (memory (export "memory") 1)
            (data (i32.const 16) "at the disco, src/lib.rs:7")
            (func $recurse (param i64) (result i64)
                (i64.add (local.get 0) (call $recurse (i64.add (local.get 0) (i64.const 1)))))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "playbook:plugin/step@0.1.0#describe") (result i32) {describe})
            (func (export "playbook:plugin/step@0.1.0#render-template") (param i32 i32 i32 i32 i32 i32) (result i32) unreachable)
            (func (export "playbook:plugin/step@0.1.0#check") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "playbook:plugin/step@0.1.0#run") (param i32 i32 i32 i32) (result i32) unreachable)
        )"#
    );
    let mut module = wat::parse_str(module).expect("the module is valid");
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit"))
        .unwrap();
    let world = resolve.select_world(&[package], Some("step-plugin")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap()
        .encode()
        .unwrap()
}

async fn load(describe: &str) -> Result<Plugin, PluginError> {
    let engine = Engine::new(None).unwrap();
    let mut limits = Limits::default();
    limits.cpu = Duration::from_millis(100);
    limits.memory = 4 << 20;
    Plugin::load(&engine, "hostile", &component(describe), &limits).await
}

#[tokio::test]
async fn each_misbehaviour_ends_in_its_own_error() {
    let limit = 4 << 20;
    let budget = Duration::from_millis(100);
    let panicked = CallError::Panicked {
        message: "at the disco, src/lib.rs:7".into(),
    };
    for (describe, expected) in [
        ("(loop $l (br $l)) unreachable", CallError::OutOfCpu { budget }),
        (
            "(loop $l (drop (memory.grow (i32.const 8))) (br $l)) unreachable",
            CallError::OutOfMemory { limit },
        ),
        (
            "(drop (call $recurse (i64.const 0))) unreachable",
            CallError::StackOverflow,
        ),
        ("(call $panicked (i32.const 16) (i32.const 26)) unreachable", panicked),
    ] {
        match load(describe).await {
            Err(error @ PluginError::Call { .. }) => {
                assert!(error.to_string().contains("plugin `hostile`"), "{error}");
                let PluginError::Call { source, .. } = error else {
                    unreachable!()
                };
                assert_eq!(source, expected, "{describe}");
            }
            Err(error) => panic!("{describe}: {error}"),
            Ok(_) => panic!("{describe}: it loaded"),
        }
    }
}

#[tokio::test]
async fn a_trap_and_a_wild_pointer_are_reported_as_traps() {
    for describe in ["unreachable", "(i32.const -1)"] {
        match load(describe).await {
            Err(PluginError::Call {
                source: CallError::Trapped { .. },
                ..
            }) => {}
            Err(error) => panic!("{describe}: {error}"),
            Ok(_) => panic!("{describe}: it loaded"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_only_waits_spends_time_and_no_cpu() {
    // An hour is far beyond the deadline; four seconds are beyond the CPU budget forty times over, and are fine.
    match load("(call $sleep (i64.const 3600000)) unreachable").await {
        Err(PluginError::Call {
            source: CallError::Deadline { .. },
            ..
        }) => {}
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it loaded"),
    }
    match load("(call $sleep (i64.const 4000)) (i32.const 512)").await {
        Ok(plugin) => assert!(plugin.step_types().is_empty()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_plugin_of_another_contract_is_refused_in_words() {
    let engine = Engine::new(None).unwrap();
    for (component, words) in [
        (
            r#"(component (import "wasi:cli/environment@0.2.0" (instance)))"#,
            "it imports `wasi:cli/environment@0.2.0`",
        ),
        (
            r#"(component (import "playbook:plugin/log@0.9.0" (instance)))"#,
            "it was made for playbook:plugin@0.9.0",
        ),
        ("(component)", "it provides nothing"),
    ] {
        let bytes = wat::parse_str(component).unwrap();
        match Plugin::load(&engine, "other", &bytes, &Limits::default()).await {
            Err(error) => assert!(error.to_string().contains(words), "{error}"),
            Ok(_) => panic!("{component}: it loaded"),
        }
    }
}

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
    let prepared = runner.prepare(&playbook, RunInputs::new(secrets)).unwrap();
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
            "plugin: plugin `hostile` returned an invalid result: it is larger than",
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
        let prepared = runner.prepare(&playbook, RunInputs::new(Secrets::default())).unwrap();
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
async fn no_request_goes_elsewhere_or_carries_what_it_must_not() {
    let granted = MockServer::start().await;
    let elsewhere = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(204))
        .mount(&granted)
        .await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(204))
        .mount(&elsewhere)
        .await;
    let (url, other) = (granted.uri(), elsewhere.address().to_string());
    let params = |more: Value| {
        let mut params = json!({"url": url, "token": "{{ secrets.token }}"});
        params
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        params
    };
    let forged = "secret-handle-00000000000000000000000000000000";
    let mut asked = Vec::new();
    for path in [
        format!("http://{other}/"),
        format!("@{other}/"),
        format!("\\\\{other}/"),
        String::new(),
    ] {
        asked.push(("send to", json!({"path": path})));
        asked.push(("connect to", json!({"path": path})));
    }
    asked.push(("send to", json!({"path": "/?token={{ secrets.token }}"})));
    asked.push(("send to", json!({"path": format!("/{forged}")})));
    for name in [
        "host",
        "Host",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "proxy-authorization",
        "x\r\nhost",
        "",
    ] {
        asked.push(("send a header", json!({"name": name, "value": "x"})));
    }
    asked.push(("send a header", json!({"name": "x-forged", "value": forged})));
    asked.push((
        "send a header",
        json!({"name": "x-split", "value": format!("a\r\nhost: {other}")}),
    ));
    asked.push(("send a body", json!({"body": format!("{{\"token\": \"{forged}\"}}")})));
    for (how, more) in asked {
        let ran = ran(how, params(more.clone())).await;
        assert!(said(&ran).contains("InvalidRequest"), "{how} {more}: {}", said(&ran));
    }
    assert!(granted.received_requests().await.unwrap().is_empty());
    // A path cannot leave the origin: what looks like another host is a path of the granted one.
    ran("send to", params(json!({"path": format!("//{other}/x")}))).await;
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
    // Without a grant there is no network at all.
    let refused = ran("send to", json!({"path": "/"})).await;
    assert!(said(&refused).contains("Denied"), "{}", said(&refused));
}

/// A server that takes its time with the first requests, so that as many come as can, and the most requests that it had open at once, each on a connection of its own.
async fn slow_server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    tokio::spawn(async move {
        let mut slow = 0..2 * CONNECTIONS;
        while let Ok((mut client, _)) = listener.accept().await {
            let wait = Duration::from_millis(if slow.next().is_some() { 500 } else { 0 });
            let (open, most) = (open.clone(), most.clone());
            tokio::spawn(async move {
                if !matches!(client.read(&mut [0; 4096]).await, Ok(1..)) {
                    return;
                }
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(wait).await;
                open.fetch_sub(1, Ordering::SeqCst);
                let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
                let _ = client.write_all(answer).await;
            });
        }
    });
    (url, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_requests_wait_their_turn() {
    for how in ["open thousands", "open thousands of websockets"] {
        let (url, most) = slow_server().await;
        let ran = ran(how, json!({"url": url, "timeout": 10})).await;
        let said = said(&ran);
        assert!(
            said.ends_with("failed") || said.ends_with("opened") || said.contains("was stopped"),
            "{said}"
        );
        let most = most.load(Ordering::SeqCst);
        assert!((2..=CONNECTIONS).contains(&most), "{how}: {most} requests at once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_tells_its_secret_tells_nothing() {
    let told = ran("tell the secret", json!({"token": "{{ secrets.token }}"})).await;
    assert_eq!(told.report.steps[0].status, StepStatus::Success);
    assert!(told.messages.iter().any(|message| message.starts_with("the token is ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_lies_in_its_description_is_refused() {
    for (how, words) in [
        (
            "lie in the file",
            "its file says that its step types are [misbehave], and it describes [something_else]",
        ),
        ("have two of a name", "two of its step types are called `misbehave`"),
        ("have too many", "it has 5000 step types"),
        ("have an odd name", "cannot name a step type"),
        ("have an odd summary", "is not one plain line"),
        ("have no JSON", "the params schema of `misbehave` is not JSON"),
        ("have no schema", "is not a JSON Schema"),
        ("refer to itself", "it refers to itself"),
        ("refer to a file", "outside of itself"),
        ("let alerts decide", "alert data must not decide that"),
        ("double itself", "too large"),
        ("be deep", "is not JSON: recursion limit"),
        ("be gigantic", "is larger than 256 KiB"),
        ("have many templates", "it has 5000 templates"),
        ("spin", "it computed for longer"),
        ("allocate", "it needs more than"),
        ("recurse", "it recursed too deeply"),
        ("panic", "it panicked"),
        ("trap", "was stopped"),
        ("ask the network", "Denied: this call was granted no network access"),
    ] {
        let loaded = Plugin::load(&ENGINE, "hostile", &hostile_component::describing(how), &limits()).await;
        let error = loaded.err().unwrap_or_else(|| panic!("{how}: it loaded")).to_string();
        assert!(
            error.starts_with("plugin `hostile` ") && error.contains(words),
            "{how}: {error}"
        );
        assert!(
            !error.contains(char::is_control) && error.len() < 3_000,
            "{how}: {error:?}"
        );
    }
    assert!(
        Plugin::load(&ENGINE, "honest", hostile_component::COMPONENT, &limits())
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_type_that_another_plugin_provides_is_not_taken_over() {
    let mut runner = Runner::new(ENGINE.clone(), limits());
    runner.load("first", hostile_component::COMPONENT).await.unwrap();
    let error = runner.load("second", hostile_component::COMPONENT).await.unwrap_err();
    assert!(
        error.to_string().contains("plugin `second`") && error.to_string().contains("`misbehave`"),
        "{error}"
    );
    assert_eq!(runner.step_types().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_contracts_truncated_files_and_noise_are_refused() {
    let component = hostile_component::COMPONENT;
    let replaced = |from: &str, to: &str| {
        let mut bytes = component.to_vec();
        while let Some(at) = bytes.windows(from.len()).position(|window| window == from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
        bytes
    };
    let mut files = vec![
        ("its imports are of another version", replaced("@0.1.0", "@0.9.0")),
        (
            "it says that it is of another",
            replaced("\"playbook:plugin@0.1.0\"", "\"playbook:plugin@0.9.0\""),
        ),
        ("what it says is no JSON", replaced("{\"contract\"", "[\"contract\"")),
        ("a core module", wat::parse_str("(module)").unwrap()),
        ("nothing", Vec::new()),
    ];
    let mut noise = component.to_vec();
    let mut state = 1_u32;
    for byte in noise.iter_mut().skip(8) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    }
    files.push(("noise", noise));
    for part in 1..20 {
        files.push(("cut short", component[..component.len() * part / 20].to_vec()));
    }
    for (what, bytes) in files {
        match Plugin::load(&ENGINE, "odd", &bytes, &limits()).await {
            Err(PluginError::File { .. } | PluginError::Load { .. } | PluginError::Contract { .. }) => {}
            Err(error) => panic!("{what}: {error}"),
            Ok(_) => panic!("{what}: it loaded"),
        }
    }
}
