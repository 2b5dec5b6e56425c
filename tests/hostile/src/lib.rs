//! A plugin that misbehaves in whatever way it is asked to, built like the real one.
//!
//! `run` takes the way from its params. `describe` has none: it takes it from a place in the component that tests write to.

#![cfg(target_family = "wasm")]

mod account;
mod hoard;
mod watch;

use std::hint::black_box;
use std::sync::Mutex;

use futures::future::join_all;
use serde_json::{Value, json};

use self::bindings::exports::playbook::plugin::step::{Guest, Outcome, StepType, Template};
use self::bindings::playbook::plugin::http::{self, Body, Field, Method, Request};
use self::bindings::playbook::plugin::types::{Failure, FailureKind, Finding};
use self::bindings::playbook::plugin::{cancellation, clock, limits, log, progress, results, session, websocket};

#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::pedantic, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "plugin" });
    use super::Hostile;
    export!(Hostile);
}

struct Hostile;

/// How `describe` misbehaves.
static DESCRIBE: [u8; 38] = *b"describe, and say the truth           ";

const PARAMS: &str = r#"{
    "type": "object",
    "properties": {
        "how": {"type": "string"},
        "url": {"type": "string", "x-role": "origin"},
        "token": {"type": "string", "writeOnly": true},
        "data": {"type": "string", "x-provenance": "any"},
        "timeout": {"type": "integer", "x-role": "timeout-seconds"},
        "count": {"type": "integer"},
        "mib": {"type": "integer"}
    }
}"#;

const RESULT: &str = r#"{"type": "object", "properties": {"said": {"type": "string"}}, "additionalProperties": false}"#;

impl Guest for Hostile {
    async fn describe() -> Vec<StepType> {
        report_panics();
        let how = String::from_utf8_lossy(&black_box(DESCRIBE)[14..]).trim().to_owned();
        let honest = StepType {
            name: "misbehave".into(),
            summary: "Misbehaves as it is asked to".into(),
            params_schema: PARAMS.into(),
            result_schema: RESULT.into(),
            accounting: None,
            templates: Vec::new(),
        };
        let named = |name: &str| StepType {
            name: name.into(),
            ..honest.clone()
        };
        let schema = |schema: &str| StepType {
            params_schema: schema.into(),
            ..honest.clone()
        };
        if let Some(result_schema) = hoard::schema(&how) {
            return vec![StepType {
                result_schema,
                ..honest
            }];
        }
        match how.as_str() {
            "say the truth" => vec![honest, account::step_type()],
            "lie in the file" => vec![named("something_else")],
            "have two of a name" => vec![honest.clone(), honest],
            "have too many" => (0..5_000).map(|at| named(&format!("misbehave_{at}"))).collect(),
            "have an odd name" => vec![named("\u{1b}[2J../../x")],
            "have an odd summary" => vec![StepType {
                summary: "two\nlines".into(),
                ..honest
            }],
            "have no JSON" => vec![schema("{")],
            "have no schema" => vec![schema(r#"{"type": 7}"#)],
            "refer to itself" => vec![schema(r##"{"$ref": "#"}"##)],
            "refer to a file" => vec![schema(r#"{"$ref": "file:///etc/passwd"}"#)],
            "let alerts decide" => vec![schema(
                r#"{"properties": {"url": {"type": "string", "x-role": "origin", "x-provenance": "any"}}}"#,
            )],
            "let alerts be somebody" => vec![schema(
                r#"{"properties": {"file": {"type": "string", "x-role": "client-certificate", "x-provenance": "any"}}}"#,
            )],
            "misspell a role" => vec![schema(
                r#"{"properties": {"url": {"x-role": "orgin", "x-provenance": "any"}}}"#,
            )],
            "misspell a provenance" => vec![schema(r#"{"properties": {"url": {"x-provenance": "alert"}}}"#)],
            "have two of a role" => vec![schema(
                r#"{"properties": {"url": {"x-role": "origin"}, "other": {"x-role": "origin", "x-provenance": "any"}}}"#,
            )],
            "double itself" => vec![schema(&doubling())],
            "be deep" => vec![schema(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)))],
            "be gigantic" => vec![schema(&format!("{{\"title\": \"{}\"}}", "x".repeat(1 << 20)))],
            "have many templates" => {
                let template = Template {
                    name: "x".into(),
                    summary: String::new(),
                    text: String::new(),
                    params: Vec::new(),
                    platforms: Vec::new(),
                    columns: Vec::new(),
                };
                vec![StepType {
                    templates: vec![template; 5_000],
                    ..honest
                }]
            }
            "ask the network" => {
                let sent = http::send(get("/")).await;
                let error = sent.expect_err("describe has no network");
                panic!("{:?}: {}", error.kind, error.message);
            }
            other => {
                misbehave(other, &Value::Null).await.ok();
                vec![honest, account::step_type()]
            }
        }
    }

    async fn render_template(_: String, _: String, _: String) -> Result<String, Failure> {
        report_panics();
        Ok("x".repeat(1 << 20))
    }

    async fn check(_: String, params: String) -> Result<Vec<Finding>, Failure> {
        report_panics();
        let finding = Finding {
            subject: "\u{1b}[2J".into(),
            text: params,
            ok: true,
        };
        Ok(vec![finding; 100_000])
    }

    async fn run(step_type: String, params: String) -> Result<Outcome, Failure> {
        report_panics();
        let params: Value = serde_json::from_str(&params).expect("the host sends JSON");
        let how = params["how"].as_str().unwrap_or_default().to_owned();
        if step_type == account::NAME {
            account::publish(&params);
            let result = match how.as_str() {
                "return what the host assembles" => r#"{"partial": false}"#.to_owned(),
                "return no map" => "[]".to_owned(),
                "nothing" => "{}".to_owned(),
                other => misbehave(other, &params).await?,
            };
            return Ok(Outcome {
                result,
                partial: false,
                notes: Vec::new(),
            });
        }
        let said = misbehave(&how, &params).await?;
        Ok(Outcome {
            result: said,
            partial: false,
            notes: Vec::new(),
        })
    }
}

/// Misbehaves, and returns the text of a result if it comes so far.
#[expect(clippy::too_many_lines, reason = "a list of ways")]
async fn misbehave(how: &str, params: &Value) -> Result<String, Failure> {
    let text = |key: &str| params[key].as_str().unwrap_or_default().to_owned();
    if let Some(hoarded) = hoard::hoard(how, params).await {
        return hoarded;
    }
    match how {
        "spin" => loop {
            black_box(());
        },
        "allocate" => {
            let mut all = Vec::new();
            loop {
                all.push(black_box(vec![1_u8; 1 << 20]));
            }
        }
        "recurse" => {
            #[allow(unconditional_recursion, reason = "what it is for")]
            fn deeper(depth: u64) -> u64 {
                black_box(deeper(black_box(depth + 1)) + 1)
            }
            Ok(said(&deeper(0).to_string()))
        }
        "panic" => panic!("on purpose\n\u{1b}[2Jand on two lines, with {}", text("token")),
        "trap" => core::arch::wasm32::unreachable(),
        "wait for ever" => {
            // It does not listen to the wish to stop, either.
            clock::sleep(u64::MAX).await;
            Ok(said("awake"))
        }
        "flood the log" => {
            for at in 0..200_000 {
                log::write(
                    log::Level::Warn,
                    &format!("{at}\n\u{1b}[2Jerror: forged line {}", "x".repeat(1_000)),
                );
            }
            Ok(said("logged"))
        }
        "flood progress" => {
            for at in 0..200_000_u32 {
                progress::report(&progress::Update {
                    done: at,
                    total: Some(1),
                    message: "x".repeat(10_000) + "\u{1b}[2J\n",
                });
            }
            Ok(said("progressed"))
        }
        "flood parts" => {
            for at in 0..200_000_u32 {
                let _ = results::publish(&format!("{at}\u{1b}[2J"), &results::Entry::Found("{".into()));
            }
            Ok(said("told"))
        }
        "open thousands" => {
            // None of them ends before the call does: one that was given up would be open at the server still.
            let patient = || Request {
                timeout_ms: 60_000,
                ..get("/slow")
            };
            let answers = join_all((0..5_000).map(|_| http::send(patient()))).await;
            let failed = answers.iter().filter(|answer| answer.is_err()).count();
            Ok(said(&format!("{failed} failed")))
        }
        "open thousands of websockets" => {
            let sockets = join_all((0..5_000).map(|_| websocket::connect("/socket".into(), Vec::new(), 60_000))).await;
            Ok(said(&format!(
                "{} opened",
                sockets.iter().filter(|socket| socket.is_ok()).count()
            )))
        }
        "send to" => refused(http::send(get(&text("path"))).await),
        "connect to" => match websocket::connect(text("path"), Vec::new(), 1_000).await {
            Ok(_) => Ok(said("connected")),
            Err(websocket::ConnectFailure::Rejected(status)) => Ok(said(&format!("rejected: {status}"))),
            Err(websocket::ConnectFailure::Failed(error)) => Ok(said(&format!("{:?}: {}", error.kind, error.message))),
        },
        "send a header" => {
            let header = Field {
                name: text("name"),
                value: text("value"),
            };
            refused(
                http::send(Request {
                    headers: vec![header],
                    ..get("/")
                })
                .await,
            )
        }
        "send a body" => {
            let request = Request {
                method: Method::Post,
                body: Some(Body::Json(text("body"))),
                ..get("/")
            };
            refused(http::send(request).await)
        }
        "capture" => {
            let request = Request {
                capture: vec!["".into(), "/a/b/~2".into(), "no pointer".into()],
                ..get("/")
            };
            refused(http::send(request).await)
        }
        "remember" => {
            static EARLIER: Mutex<Vec<String>> = Mutex::new(Vec::new());
            let mut earlier = EARLIER.lock().expect("nothing panics with it");
            earlier.push(text("token"));
            Ok(said(&earlier.join(" ")))
        }
        "tell the secret" => {
            log::write(log::Level::Error, &format!("the token is {}", text("token")));
            Ok(said(&text("token")))
        }
        "give the handle away" => Ok(said(&reversed(&text("token")))),
        "use the handle of another call" => {
            let handle = reversed(&text("data"));
            let header = || Field {
                name: "x-token".into(),
                value: format!("Bearer {handle}"),
            };
            let body = |body| Request {
                method: Method::Post,
                body: Some(body),
                ..get("/")
            };
            let form = Field {
                name: "token".into(),
                value: handle.clone(),
            };
            let mut outcomes = Vec::new();
            for request in [
                Request {
                    headers: vec![header()],
                    ..get("/")
                },
                body(Body::Json(json!({"token": handle}).to_string())),
                body(Body::Form(vec![form])),
            ] {
                outcomes.push(outcome(http::send(request).await));
            }
            outcomes.push(
                match websocket::connect("/socket".into(), vec![header()], 1_000).await {
                    Ok(_) => "connected".into(),
                    Err(websocket::ConnectFailure::Rejected(status)) => format!("rejected: {status}"),
                    Err(websocket::ConnectFailure::Failed(error)) => format!("{:?}: {}", error.kind, error.message),
                },
            );
            Ok(said(&outcomes.join("; ")))
        }
        "say what it may use" => Ok(said(&format!(
            "{} ms, {} and {} bytes",
            limits::deadline(),
            limits::body(),
            limits::memory()
        ))),
        "work until asked to stop" => {
            while !cancellation::asked() {
                clock::sleep(10).await;
            }
            Err(Failure {
                kind: FailureKind::Other("asked-to-stop".into()),
                message: "it was asked".into(),
                hint: None,
            })
        }
        "log in" => {
            let login = |user: &str| Request {
                method: Method::Post,
                body: Some(Body::Json(json!({"user": user}).to_string())),
                capture: serde_json::from_value(params["capture"].clone()).unwrap_or_default(),
                ..get("/login")
            };
            let refused = params["refused"].as_str().map(str::to_owned);
            let count = params["count"].as_u64().unwrap_or(1);
            let users: Vec<String> = (0..count).map(|user| format!("user-{user}")).collect();
            let opened = join_all(
                users
                    .iter()
                    .map(|user| session::open(user.clone(), login(user), refused.clone())),
            );
            Ok(said(
                &opened.await.into_iter().map(outcome).collect::<Vec<_>>().join("; "),
            ))
        }
        "log in and look" => {
            // Neither the token nor what was made of it is in what this says, so that nothing is removed from it.
            let wanted = reversed(&text("wanted"));
            let texts = |key: &str| -> Vec<String> { serde_json::from_value(params[key].clone()).unwrap_or_default() };
            let login = Request {
                capture: texts("capture"),
                ..get("/login")
            };
            let (mut found, mut handle) = (Vec::new(), String::new());
            let mut look = |path: &str, sent: Result<http::Response, http::Failure>| {
                let seen = match sent {
                    Ok(response) => {
                        let body = String::from_utf8_lossy(&response.body).into_owned();
                        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
                        if let Some(token) = answer["token"].as_str() {
                            handle = token.to_owned();
                        }
                        let fields = response
                            .headers
                            .iter()
                            .map(|field| format!("{}: {}", field.name, field.value));
                        format!("{} {body} {answer}", fields.collect::<Vec<_>>().join(" "))
                    }
                    Err(error) => {
                        found.push(format!("{path} failed with {:?}", error.kind));
                        error.message
                    }
                };
                if seen.contains(&wanted) {
                    found.push(format!("{path} shows it"));
                }
                handle.clone()
            };
            look("/login", http::send(login).await);
            for path in texts("then") {
                look(&path, http::send(get(&path)).await);
            }
            found.push(format!("handle {}", reversed(&handle)));
            Ok(said(&found.join("; ")))
        }
        "fail with odd words" => Err(Failure {
            kind: FailureKind::Internal,
            message: format!("\u{1b}[2J\nerror: forged\n{}", "x".repeat(1 << 20)),
            hint: Some("\u{202e}hint\r\n".into()),
        }),
        "return no JSON" => Ok("{\"said\": ".into()),
        "return other JSON" => Ok(r#"{"said": "x", "more": 1}"#.into()),
        "return deep JSON" => Ok("[".repeat(1 << 20)),
        "return gigantic JSON" => Ok(said(&"x".repeat(12 << 20))),
        "return many values" => Ok(format!("[{}0]", "0,".repeat(3 << 20))),
        _ => Ok(said("nothing")),
    }
}

fn get(path: &str) -> Request {
    Request {
        method: Method::Get,
        path: path.into(),
        headers: Vec::new(),
        body: None,
        timeout_ms: 5_000,
        repeatable: false,
        capture: Vec::new(),
    }
}

/// What no search for a secret or a handle finds.
fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

fn refused(sent: Result<http::Response, http::Failure>) -> Result<String, Failure> {
    Ok(said(&outcome(sent)))
}

fn outcome(sent: Result<http::Response, http::Failure>) -> String {
    match sent {
        Ok(response) => format!(
            "answered: {} {}",
            response.status,
            String::from_utf8_lossy(&response.body)
        ),
        Err(error) => format!("{:?}: {}", error.kind, error.message),
    }
}

fn said(text: &str) -> String {
    json!({"said": text}).to_string()
}

/// A schema that refers to itself so often that nobody could validate with it.
fn doubling() -> String {
    let mut defs: serde_json::Map<String, Value> = (0..40)
        .map(|at| {
            let next = json!({"$ref": format!("#/$defs/d{}", at + 1)});
            (format!("d{at}"), json!({"allOf": [next, next]}))
        })
        .collect();
    defs.insert("d40".into(), json!({}));
    json!({"$ref": "#/$defs/d0", "$defs": defs}).to_string()
}

fn report_panics() {
    std::panic::set_hook(Box::new(|info| log::panicked(&info.to_string())));
}
