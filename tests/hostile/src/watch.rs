//! A connector that misbehaves in the way that its config says.

use serde_json::{Value, json};

use super::bindings::exports::playbook::plugin::connector::{
    Batch, Change, ConnectorType, Event, Format, Guest, Notice, Settings, Severity, StreamType, Summary,
};
use super::bindings::playbook::plugin::state;
use super::bindings::playbook::plugin::types::{Failure, FailureKind, Finding};
use super::bindings::{wit_future, wit_stream};
use super::{Hostile, report_panics};

const CONFIG: &str = r#"{"type": "object", "properties": {"how": {"type": "string"}, "mib": {"type": "integer"}}}"#;

const OPTIONS: &str = r#"{
    "type": "object",
    "properties": {"poll_interval_seconds": {"type": "integer", "x-role": "interval-seconds"}}
}"#;

type Writer = wit_bindgen::rt::async_support::StreamWriter<Batch>;

impl Guest for Hostile {
    async fn describe() -> Vec<ConnectorType> {
        report_panics();
        vec![ConnectorType {
            name: "hostile".into(),
            summary: "Misbehaves as it is asked to".into(),
            config_schema: CONFIG.into(),
            options_schema: OPTIONS.into(),
            streams: vec![StreamType {
                name: "misbehave".into(),
                summary: "Misbehaves".into(),
            }],
            formats: vec![Format {
                name: "plain".into(),
                schema: "{}".into(),
            }],
        }]
    }

    async fn check(_: String, _: String) -> Result<Vec<Finding>, Failure> {
        Ok(Vec::new())
    }

    async fn poll(
        _: String,
        _: String,
        settings: Settings,
    ) -> (
        wit_bindgen::rt::async_support::StreamReader<Batch>,
        wit_bindgen::rt::async_support::FutureReader<Result<Summary, Failure>>,
    ) {
        report_panics();
        let config: Value = serde_json::from_str(&settings.config).expect("the host sends JSON");
        let (mut batches, stream) = wit_stream::new();
        let (ended, ending) = wit_future::new(|| Err(failed("the poll ended without a word")));
        wit_bindgen::spawn_local(async move {
            let outcome = misbehave(&config, &mut batches).await;
            drop(batches);
            let _ = ended.write(outcome).await;
        });
        (stream, ending)
    }

    async fn format_notice(_: String, _: Settings, notice: Notice) -> Result<Event, Failure> {
        Ok(event(&notice.title))
    }
}

async fn misbehave(config: &Value, batches: &mut Writer) -> Result<Summary, Failure> {
    let mib = usize::try_from(config["mib"].as_u64().unwrap_or(1)).unwrap_or(1);
    let done = |message: &str| Summary {
        message: message.to_owned(),
        failures: Vec::new(),
    };
    match config["how"].as_str().unwrap_or_default() {
        "remember without end" => {
            for at in 0.. {
                let batch = Batch {
                    events: Vec::new(),
                    changes: vec![change(at, mib)],
                };
                if batches.write_one(batch).await.is_some() {
                    return Err(failed("nobody reads"));
                }
            }
            Ok(done("remembered"))
        }
        "make large batches" => {
            let batch = Batch {
                events: vec![event(&"x".repeat(mib << 20))],
                changes: Vec::new(),
            };
            batches.write_one(batch).await;
            Ok(done("made"))
        }
        "recall much" => {
            let batch = Batch {
                events: Vec::new(),
                changes: vec![change(0, mib)],
            };
            batches.write_one(batch).await;
            // The change is made once the batch was taken.
            while state::get(vec![key(0)]).await[0].is_none() {}
            let recalled = state::get(vec![key(0); 10_000]).await;
            Ok(done(&format!("recalled {}", recalled.len())))
        }
        _ => Ok(done("nothing")),
    }
}

fn key(at: usize) -> String {
    format!("key-{at:08}")
}

fn change(at: usize, mib: usize) -> Change {
    Change {
        key: key(at),
        value: Some("x".repeat(mib << 20)),
    }
}

fn event(title: &str) -> Event {
    Event {
        json: json!({"title": title}).to_string(),
        severity: Severity::Info,
    }
}

fn failed(message: &str) -> Failure {
    Failure {
        kind: FailureKind::Internal,
        message: message.to_owned(),
        hint: None,
    }
}
