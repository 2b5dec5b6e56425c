//! Answers of fleet managers to polls.

use std::collections::BTreeSet;

use futures::executor::block_on;
use serde_json::{Map, Value, json};
use step_osquery::event::Format;
use step_osquery::exports::connectors::{ALL, check, poll};
use step_osquery::polling::Settings;

use crate::script::Script;

/// Fleet's answers, one after the other, with `===` between them.
pub fn fleet_polls(data: &[u8]) {
    let config = json!({"base_url": "https://fleet.example.com", "api_token": "handle"});
    poll_all("fleetdm", &config, data);
}

/// osctrl's answers.
pub fn osctrl_polls(data: &[u8]) {
    let config = json!({"base_url": "https://osctrl.example.com", "environment": "production", "api_token": "handle"});
    poll_all("osctrl", &config, data);
}

fn poll_all(name: &str, config: &Value, data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let connector = ALL.iter().find(|connector| connector.name == name);
    let connector = connector.expect("the plugin has it");
    let _ = block_on(check(&Script::new(text), name, &config.to_string()));
    let options = json!({"flap_window_seconds": 60, "rows": "changed"});
    for (stream, _) in connector.streams {
        for format in Format::ALL {
            let settings = Settings {
                format: format.name.to_owned(),
                config: config.to_string(),
                options: if name == "fleetdm" {
                    options.to_string()
                } else {
                    "{}".to_owned()
                },
            };
            let server = Script::new(text);
            // The second poll goes on from what the first remembered.
            for _ in 0..2 {
                let polled = block_on(poll(&server, name, stream, &settings));
                if let Ok(summary) = polled {
                    assert!(!summary.message.contains(char::is_control), "{}", summary.message);
                }
            }
            for batch in server.batches.borrow().iter() {
                let mut keys = BTreeSet::new();
                for (event, _) in &batch.events {
                    assert!(!event.contains('\n'), "an event is a line");
                    let event: Map<String, Value> = serde_json::from_str(event).expect("an event is a JSON object");
                    if format.name == "aisoc" {
                        is_ours(name, &event);
                        let key = event["dedupe_key"].as_str().expect("it is a text").to_owned();
                        assert!(keys.insert(key), "two events of a batch have the same key");
                    }
                }
            }
        }
    }
}

/// What a row holds cannot pass for what we say.
fn is_ours(name: &str, event: &Map<String, Value>) {
    assert_eq!(event["source"], name);
    assert_eq!(event["category"], "endpoint");
    let kind = event["kind"].as_str().expect("it is a text");
    assert!(["host", "query_row", "notice"].contains(&kind), "{kind}");
    let severity = event["severity"].as_str().expect("it is a text");
    assert!(["info", "low", "medium", "high"].contains(&severity), "{severity}");
    let key = event["dedupe_key"].as_str().expect("it is a text");
    assert!(
        key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{key}"
    );
    let time = event["time"].as_str().expect("it is a text");
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
}
