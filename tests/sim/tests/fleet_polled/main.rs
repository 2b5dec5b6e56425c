//! The simulated Fleet server as those see it who poll it: it changes between their requests and during them.
//!
//! `fixtures/` holds bodies in the shape that Fleet gives them.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests talk to servers and look at the clock"
)]

mod posture;
mod reports;

use serde_json::Value;
use sim::fleet::{Fleet, FleetServer, Team};
use sim::{Fault, Host, What};

/// A server as described, with the two teams that hosts can be in here.
async fn server(fleet: Fleet) -> FleetServer {
    // The HTTP client wants to know its TLS library even where no TLS is spoken.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let team = |id, name: &str| Team { id, name: name.into() };
    let teams = if fleet.premium {
        vec![team(3, "Workstations"), team(4, "Servers")]
    } else {
        Vec::new()
    };
    FleetServer::start(Fleet { teams, ..fleet }).await.unwrap()
}

/// A server of this version with some hosts: 101 and up.
async fn of_version(version: &str, hosts: Vec<Host>) -> FleetServer {
    let version = version.into();
    server(Fleet {
        version,
        hosts,
        ..Fleet::default()
    })
    .await
}

fn host(hostname: &str) -> Host {
    Host {
        hostname: hostname.into(),
        ..Host::default()
    }
}

/// So many hosts: h-1 and up.
fn hosts(count: usize) -> Vec<Host> {
    vec![Host { count, ..host("h-{n}") }]
}

/// What happens to the next request for this path with this in its query.
fn once(path: &str, query: &str, what: What) -> Fault {
    Fault {
        path: path.into(),
        query: Some(query.into()),
        times: Some(1),
        what,
    }
}

async fn ask(server: &FleetServer, path: &str) -> reqwest::Response {
    let request = reqwest::Client::new().get(format!("{}/api/v1/fleet{path}", server.url()));
    let token = format!("Bearer {}", Fleet::default().token);
    request.header("authorization", token).send().await.unwrap()
}

/// The status and the body, which is a text if it is no JSON.
async fn get(server: &FleetServer, path: &str) -> (u16, Value) {
    let answer = ask(server, path).await;
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The body of an answer with status 200.
async fn read(server: &FleetServer, path: &str) -> Value {
    let (status, body) = get(server, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// A field of each element of a list.
fn each(list: &Value, field: &str) -> Vec<Value> {
    let elements = list.as_array().unwrap();
    elements.iter().map(|element| element[field].clone()).collect()
}

/// The status and the reason of each refusal.
async fn assert_refused(server: &FleetServer, refusals: &[(&str, u16, &str)]) {
    for (path, status, reason) in refusals {
        let (found, body) = get(server, path).await;
        let said = body.pointer("/errors/0/reason").unwrap_or(&body);
        assert_eq!((found, said.as_str()), (*status, Some(*reason)), "{path}");
    }
}

/// Which keys a body has, at every depth. Lists have those of their first element.
fn shape(body: &Value) -> Value {
    match body {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(elements) => elements.iter().take(1).map(shape).collect(),
        _ => Value::Null,
    }
}

/// Whether a body has the keys of a fixture.
async fn assert_shape(server: &FleetServer, path: &str, fixture: &str) {
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    assert_eq!(shape(&read(server, path).await), shape(&fixture), "{path}");
}
