//! The simulated osctrl server against what osctrl's source says.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests talk to servers and look at the clock"
)]

use serde_json::{Value, json};
use sim::osctrl::{Levels, Osctrl, OsctrlServer, Query, User};
use sim::{Behaviour, Host};

const UUID: &str = "0A1B2C3D-0000-4000-8000-000000000001";

async fn server(osctrl: Osctrl) -> OsctrlServer {
    // The HTTP client wants to know its TLS library even where no TLS is spoken.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let host = |name: &str| Host {
        hostname: name.into(),
        latency_ms: 1,
        ..Host::default()
    };
    let away = Host {
        online: false,
        ..host("web-02")
    };
    OsctrlServer::start(Osctrl {
        hosts: vec![host("web-01"), away, host("web-03")],
        ..osctrl
    })
    .await
    .unwrap()
}

async fn call(server: &OsctrlServer, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let token = Osctrl::default().token;
    call_as(
        server,
        method,
        path,
        body,
        &[
            ("accept", "application/json"),
            ("authorization", &format!("Bearer {token}")),
        ],
    )
    .await
}

async fn call_as(
    server: &OsctrlServer,
    method: &str,
    path: &str,
    body: Option<Value>,
    headers: &[(&str, &str)],
) -> (u16, Value) {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let mut request = client.request(method.parse().unwrap(), format!("{}{path}", server.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn start_query(server: &OsctrlServer, selectors: &Value) -> Query {
    let mut body = json!({"query": "SELECT user FROM logged_in_users", "exp_hours": 1});
    body.as_object_mut()
        .unwrap()
        .extend(selectors.as_object().unwrap().clone());
    let (status, answer) = call(server, "POST", "/api/v1/queries/production", Some(body)).await;
    assert_eq!(status, 200, "{answer}");
    let mut queries = server.queries();
    assert_eq!(answer, json!({"query_name": queries.last().unwrap().name}));
    queries.pop().unwrap()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn statuses_and_bodies_are_those_of_the_protocol() {
    let server = server(Osctrl::default()).await;
    let run = |body: Value| ("POST", "/api/v1/queries/production", Some(body));
    let get = |path: &'static str| ("GET", path, None);
    let post = |path: &'static str| ("POST", path, None);
    for ((method, path, body), status, pointer, value) in [
        (
            get("/api/v1/nodes/production?page_size=2"),
            200,
            "/total_pages",
            json!(2),
        ),
        (
            get("/api/v1/nodes/production?sort=uuid&dir=asc"),
            200,
            "/items/0/uuid",
            json!(UUID),
        ),
        (get("/api/v1/nodes/production?q=nobody"), 200, "/total_pages", json!(1)),
        (get("/api/v1/nodes/production?q=web-0_"), 200, "/total_items", json!(3)),
        (
            get("/api/v1/nodes/production?status=missing"),
            400,
            "/error",
            json!("invalid status (all|active|inactive)"),
        ),
        (
            get("/api/v1/nodes/staging"),
            404,
            "/error",
            json!("environment not found"),
        ),
        (
            get("/api/v1/nodes/staging/all"),
            400,
            "/error",
            json!("error getting environment"),
        ),
        // Without osctrl-admin nobody is active on this version.
        (get("/api/v1/nodes/production/active"), 404, "/error", json!("no nodes")),
        (get("/api/v1/nodes"), 404, "", json!("404 page not found\n")),
        (
            get("/api/v1/queries/staging/list/all"),
            500,
            "/error",
            json!("error getting environment"),
        ),
        (
            get("/api/v1/queries/production/list/some"),
            400,
            "/error",
            json!("invalid target"),
        ),
        (
            get("/api/v1/queries/production/list/all"),
            200,
            "/total_pages",
            json!(0),
        ),
        (get("/api/v1/queries/production"), 404, "/error", json!("no queries")),
        (get("/api/v1/queries/production/query_x"), 200, "/id", json!(0)),
        (
            get("/api/v1/queries/production/results/query_x"),
            404,
            "/error",
            json!("query not found"),
        ),
        (
            get("/api/v1/queries/production/41/results/all"),
            404,
            "",
            json!("404 page not found\n"),
        ),
        (
            post("/api/v1/queries/production/expire/query_x"),
            404,
            "/error",
            json!("query not found"),
        ),
        (post("/api/v1/nowhere"), 405, "", json!("Method Not Allowed\n")),
        (
            run(json!({"query": ""})),
            400,
            "/error",
            json!("query can not be empty"),
        ),
        (
            run(json!({"query": "SELECT 1", "uuid_list": ["nobody"]})),
            500,
            "/error",
            json!("error creating query"),
        ),
        (get("/api/v1/users/me"), 200, "/username", json!("hunter-svc")),
    ] {
        let (found, answer) = call(&server, method, path, body).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
        assert_eq!(answer.pointer(pointer), Some(&value), "{method} {path}: {answer}");
    }
    // The refused query stays, and expects nobody.
    assert_eq!(
        server.queries().iter().map(|query| query.expected).collect::<Vec<_>>(),
        [0]
    );
}

#[tokio::test]
async fn who_may_not_is_told_in_the_way_of_the_protocol() {
    let server = server(Osctrl::default()).await;
    let path = "/api/v1/users/me";
    let wrong = ("authorization", "Bearer wrong");
    let json_wanted = ("accept", "application/json");
    let (status, body) = call_as(&server, "GET", path, None, &[json_wanted, wrong]).await;
    assert_eq!(
        (status, body),
        (401, json!({"error": "unauthorized", "code": "unauthorized"}))
    );
    for headers in [&[wrong][..], &[], &[("accept", "*/*"), wrong]] {
        assert_eq!(call_as(&server, "GET", path, None, headers).await.0, 302);
    }

    let levels = Levels {
        user: true,
        query: false,
        admin: false,
    };
    let server = self::server(Osctrl {
        levels,
        ..Osctrl::default()
    })
    .await;
    assert_eq!(call(&server, "GET", "/api/v1/nodes/production", None).await.0, 200);
    for path in ["/api/v1/nodes/production/all", "/api/v1/queries/production/list/all"] {
        let refused = call(&server, "GET", path, None).await;
        assert_eq!(refused, (403, json!({"error": "no access"})), "{path}");
    }
}

#[tokio::test]
async fn a_query_without_a_selector_goes_where_the_version_sends_it() {
    // Unknown fields are ignored, so this one is no selector.
    let no_selector = json!({"targets": [{"type": "nodes", "list": [UUID]}]});
    for (version, expected) in [("0.5.2", 0), ("0.5.3", 0), ("0.5.4", 3), ("0.5.6", 3)] {
        let server = server(Osctrl {
            version: version.into(),
            ..Osctrl::default()
        })
        .await;
        assert_eq!(start_query(&server, &no_selector).await.expected, expected, "{version}");
        assert_eq!(
            start_query(&server, &json!({"uuid_list": [UUID.to_lowercase()]}))
                .await
                .nodes,
            [1]
        );
        // The same node twice is expected twice.
        assert_eq!(
            start_query(&server, &json!({"uuid_list": [UUID, UUID]})).await.expected,
            2
        );
        // Two lists are intersected, and an empty side counts for nothing.
        let disjoint = json!({"uuid_list": [UUID], "platform_list": ["solaris"]});
        assert_eq!(start_query(&server, &disjoint).await.nodes, [1], "{version}");
    }
}

#[tokio::test]
async fn answers_are_counted_before_they_can_be_read() {
    let server = server(Osctrl {
        rows_late_ms: 1_500,
        ..Osctrl::default()
    })
    .await;
    let query = start_query(&server, &json!({"uuid_list": [UUID]})).await;
    let (shown, results) = (
        format!("/api/v1/queries/production/{}", query.name),
        format!("/api/v1/queries/production/results/{}", query.name),
    );
    server.all_queries_ended().await;
    let (_, counted) = call(&server, "GET", &shown, None).await;
    assert_eq!(
        (&counted["executions"], &counted["completed"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(counted["targets"], json!([{"type": "uuid", "value": UUID}]));
    assert_eq!(call(&server, "GET", &results, None).await.1["total_items"], 0);
    let read = loop {
        let (_, read) = call(&server, "GET", &results, None).await;
        if read["total_items"] != 0 {
            break read;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(read["items"][0]["uuid"], UUID);
    let data: Value = serde_json::from_str(read["items"][0]["data"].as_str().unwrap()).unwrap();
    assert_eq!(data["result"], json!([{"user": "reboot"}, {"user": "root"}]));
}

#[tokio::test]
async fn old_servers_answer_unknown_paths_with_a_check_mark_and_log_in_by_environment() {
    let users = vec![User {
        username: "soc".into(),
        password: "a-password".into(),
    }];
    let server = server(Osctrl {
        version: "0.5.2".into(),
        users,
        ..Osctrl::default()
    })
    .await;
    assert_eq!(call(&server, "GET", "/api/v1/nodes", None).await, (200, json!("✅")));
    let body = Some(json!({"username": "soc", "password": "a-password"}));
    assert_eq!(call(&server, "POST", "/api/v1/login", body.clone()).await.0, 405);
    let (status, first) = call(&server, "POST", "/api/v1/login/production", body.clone()).await;
    assert_eq!(status, 200);
    let token = format!("Bearer {}", first["token"].as_str().unwrap());
    let headers = [("accept", "application/json"), ("authorization", token.as_str())];
    assert_eq!(call_as(&server, "GET", "/api/v1/users/me", None, &headers).await.0, 200);
    // A second login ends the first one's token.
    call(&server, "POST", "/api/v1/login/production", body).await;
    assert_eq!(call_as(&server, "GET", "/api/v1/users/me", None, &headers).await.0, 401);
    let wrong = Some(json!({"username": "soc", "password": "wrong"}));
    let refused = call(&server, "POST", "/api/v1/login/production", wrong).await;
    assert_eq!(refused, (403, json!({"error": "invalid credentials"})));
}

#[tokio::test]
async fn a_table_that_osquery_does_not_have_is_refused_at_the_start() {
    let host = Host {
        hostname: "web-01".into(),
        behaviour: Behaviour::Answer,
        tables: [("loged_in_users".to_owned(), Vec::new())].into_iter().collect(),
        ..Host::default()
    };
    let started = OsctrlServer::start(Osctrl {
        hosts: vec![host],
        ..Osctrl::default()
    })
    .await;
    assert!(started.is_err());
}
