//! The simulated Fleet server against what Fleet's protocol says.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests talk to servers and look at the clock"
)]

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use sim::Host;
use sim::fleet::{Fleet, FleetServer};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<tokio::net::TcpStream>;

async fn server(fleet: Fleet) -> FleetServer {
    // The HTTP client wants to know its TLS library even where no TLS is spoken.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let hosts = vec![
        Host {
            hostname: "web-01".into(),
            latency_ms: 1,
            ..Host::default()
        },
        Host {
            hostname: "web-02".into(),
            online: false,
            ..Host::default()
        },
    ];
    FleetServer::start(Fleet {
        hosts,
        status_interval_ms: 10,
        ..fleet
    })
    .await
    .unwrap()
}

async fn call(server: &FleetServer, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let method = method.parse().unwrap();
    let mut request = reqwest::Client::new()
        .request(method, format!("{}{path}", server.url()))
        .header("authorization", format!("Bearer {}", Fleet::default().token));
    if let Some(body) = body {
        request = request
            .header("content-type", "application/json")
            .body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn statuses_and_bodies_are_those_of_the_protocol() {
    let server = server(Fleet::default()).await;
    let run =
        |hosts: Value| Some(json!({"query": "SELECT 1", "selected": {"hosts": hosts, "labels": [], "teams": []}}));
    for (method, path, body, status, pointer, value) in [
        (
            "GET",
            "/api/v1/fleet/me",
            None,
            200,
            "/user/global_role",
            json!("observer_plus"),
        ),
        (
            "GET",
            "/api/latest/fleet/version",
            None,
            200,
            "/version",
            json!("4.93.0"),
        ),
        (
            "GET",
            "/api/v9/fleet/version",
            None,
            404,
            "",
            json!("404 page not found\n"),
        ),
        (
            "GET",
            "/api/v1/fleet/queries/run/4242",
            None,
            404,
            "",
            json!("404 page not found\n"),
        ),
        (
            "DELETE",
            "/api/v1/fleet/queries/run/4242",
            None,
            404,
            "",
            json!("404 page not found\n"),
        ),
        (
            "GET",
            "/api/v1/fleet/hosts?page=0&per_page=1",
            None,
            200,
            "/hosts/0/id",
            json!(101),
        ),
        (
            "GET",
            "/api/v1/fleet/hosts?page=2&per_page=1",
            None,
            200,
            "/hosts",
            json!([]),
        ),
        (
            "GET",
            "/api/v1/fleet/hosts?per_page=0",
            None,
            400,
            "/message",
            json!("Bad request"),
        ),
        (
            "GET",
            "/api/v1/fleet/hosts?order_key=node_key",
            None,
            422,
            "/message",
            json!("Validation Failed"),
        ),
        (
            "GET",
            "/api/v1/fleet/hosts?status=sleeping",
            None,
            400,
            "/errors/0/reason",
            json!("Invalid status: sleeping"),
        ),
        (
            "GET",
            "/api/v1/fleet/hosts?query=EB-02",
            None,
            200,
            "/hosts/0/status",
            json!("offline"),
        ),
        ("GET", "/api/v1/fleet/hosts/count", None, 200, "/count", json!(2)),
        (
            "GET",
            "/api/v1/fleet/hosts/999",
            None,
            404,
            "/message",
            json!("Resource Not Found"),
        ),
        (
            "GET",
            "/api/v1/fleet/hosts/identifier/SN000102",
            None,
            200,
            "/host/hostname",
            json!("web-02"),
        ),
        (
            "POST",
            "/api/v1/fleet/reports/run",
            run(json!([])),
            400,
            "/errors/0/reason",
            json!("no hosts targeted"),
        ),
        (
            "POST",
            "/api/v1/fleet/reports/run",
            run(json!(["web-01"])),
            400,
            "/errors/0/reason",
            json!("no hosts targeted"),
        ),
        (
            "POST",
            "/api/v1/fleet/reports/run",
            Some(json!({"selected": {"hosts": [101]}})),
            422,
            "/message",
            json!("Validation Failed"),
        ),
        (
            "POST",
            "/api/v1/fleet/reports/run",
            run(json!([101, 102])),
            200,
            "/campaign/Metrics/OnlineHosts",
            json!(1),
        ),
        (
            "POST",
            "/api/v1/fleet/hosts/101/query",
            Some(json!({"query": "SELECT 1 AS one"})),
            200,
            "/rows/0/one",
            json!("1"),
        ),
        (
            "POST",
            "/api/v1/fleet/hosts/102/query",
            Some(json!({"query": "SELECT 1"})),
            200,
            "/status",
            json!("offline"),
        ),
        (
            "POST",
            "/api/v1/fleet/hosts/101/query",
            Some(json!({"query": "SELECT * FROM nope"})),
            200,
            "/error",
            json!("no such table: nope"),
        ),
        (
            "POST",
            "/api/v1/fleet/hosts/999/query",
            Some(json!({"query": "SELECT 1"})),
            400,
            "/message",
            json!("Bad request"),
        ),
    ] {
        let (found, body) = call(&server, method, path, body).await;
        assert_eq!(
            (found, body.pointer(pointer)),
            (status, Some(&value)),
            "{method} {path}: {body}"
        );
    }
    let anonymous = reqwest::get(format!("{}/api/v1/fleet/hosts", server.url()))
        .await
        .unwrap();
    assert_eq!(anonymous.status(), 401);
    assert!(
        anonymous
            .text()
            .await
            .unwrap()
            .contains("Authorization header required")
    );
}

#[tokio::test]
async fn an_old_server_has_no_reports_and_a_prefix_is_part_of_every_path() {
    let server = server(Fleet {
        version: "4.81.9".into(),
        prefix: "/fleet".into(),
        ..Fleet::default()
    })
    .await;
    assert_eq!(call(&server, "GET", "/api/v1/fleet/reports", None).await.0, 404);
    assert_eq!(call(&server, "GET", "/api/v1/fleet/queries", None).await.0, 200);
    let root = server.url().trim_end_matches("/fleet");
    assert_eq!(
        reqwest::get(format!("{root}/api/v1/fleet/version"))
            .await
            .unwrap()
            .status(),
        404
    );
    assert_eq!(server.unknown_paths().len(), 2);
}

#[tokio::test]
async fn an_observer_may_not_run_statements() {
    let server = server(Fleet {
        role: "observer".into(),
        ..Fleet::default()
    })
    .await;
    let body = json!({"query": "SELECT 1", "selected": {"hosts": [101]}});
    assert_eq!(
        call(&server, "POST", "/api/v1/fleet/reports/run", Some(body)).await.0,
        403
    );
}

async fn open(server: &FleetServer) -> Socket {
    let address = server.url().trim_start_matches("http://").to_owned();
    let stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    client_async(format!("ws://{address}/api/v1/fleet/results/websocket"), stream)
        .await
        .unwrap()
        .0
}

async fn say(socket: &mut Socket, kind: &str, data: Value) {
    socket
        .send(Message::text(json!({"type": kind, "data": data}).to_string()))
        .await
        .unwrap();
}

async fn hear(socket: &mut Socket) -> Value {
    let frame = tokio::time::timeout(Duration::from_secs(5), socket.next())
        .await
        .expect("a frame comes");
    serde_json::from_str(frame.unwrap().unwrap().to_text().unwrap()).unwrap()
}

#[tokio::test]
async fn a_campaign_streams_one_result_for_each_host_and_ends_with_its_socket() {
    let server = server(Fleet::default()).await;
    let mut socket = open(&server).await;
    say(&mut socket, "auth", json!({"token": Fleet::default().token})).await;
    let body =
        json!({"query": "SELECT user FROM logged_in_users WHERE type = 'user'", "selected": {"hosts": [101, 102]}});
    let id = call(&server, "POST", "/api/v1/fleet/reports/run", Some(body)).await.1["campaign"]["id"].clone();
    say(&mut socket, "select_campaign", json!({"campaign_id": id})).await;
    let totals = hear(&mut socket).await;
    assert_eq!(
        totals,
        json!({"type": "totals", "data": {"count": 2, "online": 1, "offline": 1, "missing_in_action": 0}})
    );
    let result = loop {
        let frame = hear(&mut socket).await;
        if frame["type"] == "result" {
            break frame["data"].clone();
        }
    };
    assert_eq!(result["host"]["id"], 101);
    assert_eq!(
        result["rows"],
        json!([{"user": "root", "host_hostname": "web-01", "host_display_name": "web-01"}])
    );
    assert!(result.get("error").is_none());
    let status = hear(&mut socket).await;
    assert_eq!(
        status["data"],
        json!({"expected_results": 1, "actual_results": 1, "status": "finished"})
    );
    assert!(server.campaigns()[0].open, "finished is not closed");
    drop(socket);
    tokio::time::timeout(Duration::from_secs(5), server.all_campaigns_closed())
        .await
        .expect("closing ends it");
}

#[tokio::test]
async fn a_socket_says_why_before_it_closes() {
    let server = server(Fleet::default()).await;
    for (token, campaign, error) in [
        ("wrong", 1, "unauthorized"),
        (Fleet::default().token.as_str(), 1, "cannot find campaign for ID 1"),
    ] {
        let mut socket = open(&server).await;
        say(&mut socket, "auth", json!({"token": token})).await;
        say(&mut socket, "select_campaign", json!({"campaign_id": campaign})).await;
        assert_eq!(hear(&mut socket).await, json!({"type": "error", "data": error}));
    }
    let mut socket = open(&server).await;
    say(&mut socket, "hello", json!(null)).await;
    assert!(
        !matches!(socket.next().await, Some(Ok(Message::Text(_)))),
        "a first frame that is no auth ends it without a word"
    );
}

#[test]
fn rows_are_texts_and_statements_only_read() {
    let facts = sim::osquery::Facts {
        hostname: "web-01".into(),
        ..Default::default()
    };
    let rows = facts.answer("SELECT pid, parent FROM processes WHERE pid = 1").unwrap();
    assert_eq!(rows[0]["pid"], "1");
    for (sql, error) in [
        ("SELECT * FROM nope", "no such table: nope"),
        ("DELETE FROM processes", "attempt to write a readonly database"),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
            "interrupted",
        ),
    ] {
        assert_eq!(facts.answer(sql).unwrap_err(), error, "{sql}");
    }
}
