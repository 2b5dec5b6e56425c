//! Answers of fleet managers to live queries.

use std::collections::{BTreeMap, BTreeSet};

use futures::executor::block_on;
use serde_json::{Value, json};
use step_osquery::contract::{Method, Services as _};
use step_osquery::exports::step::run;
use step_osquery::template::{Sql, Template};

use crate::script::Script;

/// The hosts that are asked.
const TARGETS: [&str; 3] = ["web-01", "web-02", "db-01"];

/// What Fleet says before its websocket is opened: which routes it has, and the hosts of each name.
const LOOKED_UP: [&str; 4] = [
    r#"{"queries": []}"#,
    r#"{"hosts": [{"id": 1, "hostname": "web-01", "status": "online"}]}"#,
    r#"{"hosts": [{"id": 2, "hostname": "web-02", "status": "online"}]}"#,
    r#"{"hosts": [{"id": 3, "hostname": "db-01", "status": "offline"}]}"#,
];

/// What it says to a query.
const STARTED: &str = r#"{"campaign": {"id": 7}}"#;

/// Fleet's answers, one after the other, with `===` between them.
pub fn fleet_queries(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    ask(
        &Script::new(text),
        &json!({"backend": "fleetdm", "api_token": "handle"}),
    );
    ask(
        &Script::new(text),
        &json!({"backend": "fleetdm", "username": "a@example.com", "password": "handle"}),
    );
}

/// The frames of Fleet's websocket, one a line.
pub fn websocket_frames(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let answers = LOOKED_UP.into_iter().chain([text, STARTED]);
    let token = json!({"backend": "fleetdm", "api_token": "handle"});
    ask(&Script::of(answers), &token);
}

/// osctrl's answers.
pub fn osctrl_queries(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let token = json!({"backend": "osctrl", "environment": "production", "api_token": "handle"});
    ask(&Script::new(text), &token);
    let password = json!({"backend": "osctrl", "environment": "production", "username": "a", "password": "handle"});
    ask(&Script::new(text), &password);
}

/// Runs a query, and checks what must hold whatever the server says.
fn ask(server: &Script<'_>, access: &Value) {
    let mut params = json!({
        "base_url": "https://fleet.example.com/prefix",
        "template": "logged_in_users",
        "target_hosts": TARGETS,
        "timeout_seconds": 30,
    });
    let params_map = params.as_object_mut().expect("it is an object");
    params_map.extend(access.as_object().expect("it is an object").clone());
    let template = Template::named("logged_in_users").expect("it is in the allowlist");
    let sql = template
        .render(&serde_json::Map::new(), server.now())
        .expect("it has defaults");
    let outcome = block_on(run(server, &params.to_string()));
    nothing_else_was_asked(server, &sql);
    match outcome {
        Ok(outcome) => accounted_for(server, &outcome.notes),
        Err(failure) => assert!(!failure.message.is_empty()),
    }
}

/// Every target was either published or remarked on, nothing else was, and every row holds texts.
fn accounted_for(server: &Script<'_>, notes: &[(String, String)]) {
    let published = server.published.borrow();
    let named = published.keys().chain(notes.iter().map(|(name, _)| name));
    let named: Vec<&str> = named.map(String::as_str).collect();
    assert_eq!(named.len(), TARGETS.len(), "{named:?}");
    assert_eq!(BTreeSet::from_iter(named), BTreeSet::from(TARGETS));
    for rows in published.values().flatten() {
        let rows: Vec<BTreeMap<String, String>> = serde_json::from_str(rows).expect("rows are maps of texts");
        drop(rows);
    }
}

/// Whatever the server says, it is sent no other statement, and never told to ask more hosts than were named, or all.
fn nothing_else_was_asked(server: &Script<'_>, sql: &Sql) {
    for request in server.sent.borrow().iter() {
        assert!(request.path.starts_with("/prefix/"), "{}", request.path);
        let body = request.body.as_deref().unwrap_or("null");
        let body: Value = serde_json::from_str(body).expect("what is sent is JSON");
        let Some(query) = body.get("query") else { continue };
        assert_eq!((request.method, query.as_str()), (Method::Post, Some(sql.as_str())));
        let one_host = request.path.contains("/hosts/");
        let hosts = body["selected"]["hosts"]
            .as_array()
            .or_else(|| body["uuid_list"].as_array());
        let count = hosts.map_or(usize::from(one_host), Vec::len);
        assert!((1..=TARGETS.len()).contains(&count), "{body}");
        for others in ["labels", "teams"] {
            assert!(
                matches!(&body["selected"][others], Value::Null) || body["selected"][others] == json!([]),
                "{body}"
            );
        }
    }
}
