use wiremock::matchers::{any, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::net::egress::checked::HOST_HEADERS;
use crate::net::policy::{Policy, PolicyError};
use crate::secrets::{Secrets, Vault};
use serde_json::Value;

mod redirects;
mod sockets;

const TOKEN: &str = "value-of-the-token";

/// A call's network, and the handle of its one secret.
fn egress(server: &MockServer, limits: &Limits) -> (Egress, String) {
    egress_to(&server.uri(), limits)
}

fn egress_to(url: &str, limits: &Limits) -> (Egress, String) {
    let (secrets, handle) = secrets_of(&Origin::of(url).unwrap());
    let grant = Grant {
        origin: Origin::of(url).unwrap(),
        tls: Tls::default(),
    };
    let ends = Instant::now() + Duration::from_secs(30);
    let budget = CallBudget::alone(limits);
    let egress = Egress::new(
        &Network::default(),
        &grant,
        secrets,
        &Sessions::default(),
        limits,
        &budget,
        ends,
    )
    .unwrap();
    (egress, handle)
}

/// The secrets of a call to a server, and the handle of the one that it has.
fn secrets_of(origin: &Origin) -> (CallSecrets, String) {
    let secrets = Secrets::new([("token".to_owned(), TOKEN.into())]);
    let vault = Vault::new(secrets);
    let placeholder = Value::from(vault.handle("token").unwrap());
    let secrets = vault.call(Some(origin.to_string()));
    let handle = secrets.enter(&placeholder);
    (secrets, handle.as_str().unwrap().to_owned())
}

fn get(path: &str) -> Request {
    Request {
        method: Method::GET,
        path: path.to_owned(),
        headers: Vec::new(),
        body: None,
        timeout: Duration::from_secs(20),
        repeatable: true,
        capture: Vec::new(),
    }
}

async fn answering(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(response).mount(&server).await;
    server
}

#[tokio::test]
async fn requests_that_the_contract_forbids_are_not_sent() {
    let server = answering(ResponseTemplate::new(200)).await;
    let (egress, handle) = egress(&server, &Limits::default());
    let with_handle = format!("/hosts?token={handle}");
    let other = if handle.ends_with('0') { '1' } else { '0' };
    let forged = format!("{}{other}", &handle[..handle.len() - 1]);
    let paths = [
        "",
        "hosts",
        "http://elsewhere.example/",
        "\\\\elsewhere.example",
        "/hosts#fragment",
        "/two words",
        "/line\r\nhost: elsewhere.example",
        with_handle.as_str(),
    ];
    for path in paths {
        let outcome = egress.send(get(path)).await;
        assert!(
            matches!(outcome, Err(EgressError::InvalidRequest(_))),
            "{path}: {outcome:?}"
        );
    }
    let mut headers: Vec<(&str, &str)> = HOST_HEADERS.iter().map(|name| (*name, "x")).collect();
    headers.extend([
        ("HOST", "elsewhere.example"),
        ("Sec-WebSocket-Key", "x"),
        ("two words", "x"),
        ("", "x"),
        ("x-ok", "line\r\nhost: elsewhere.example"),
        ("x-ok", forged.as_str()),
    ]);
    for (name, value) in headers {
        let request = Request {
            headers: vec![(name.to_owned(), value.to_owned())],
            ..get("/")
        };
        let outcome = egress.send(request).await;
        assert!(
            matches!(outcome, Err(EgressError::InvalidRequest(_) | EgressError::Handle(_))),
            "{name}: {outcome:?}"
        );
    }
    // Whether or not a handle is in it: in what is no JSON it could stand outside of the strings that it is escaped for.
    let bodies = [
        "",
        "hosts",
        "{",
        "{} {}",
        "{'single': 1}",
        "[1,]",
        "{\"line\": \"\n\"}",
        handle.as_str(),
        &format!("{{\"token\": {handle}}}"),
        &format!("{{\"token\": \"{handle}}}"),
        &format!("{{\"token\": \"{forged}\"}}"),
        &format!("{{\"token\": \"{handle}\"}}, {{}}"),
    ];
    for body in bodies {
        let request = Request {
            method: Method::POST,
            body: Some(RequestBody::Json(body.to_owned())),
            ..get("/")
        };
        let outcome = egress.send(request).await;
        assert!(
            matches!(outcome, Err(EgressError::InvalidRequest(_) | EgressError::Handle(_))),
            "{body}: {outcome:?}"
        );
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_handle_becomes_its_value_in_headers_and_bodies() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/prefix"))
        .and(header("authorization", format!("Bearer {TOKEN}")))
        .and(wiremock::matchers::body_json(serde_json::json!({"token": TOKEN})))
        .respond_with(ResponseTemplate::new(204))
        .mount(&server)
        .await;
    let (egress, handle) = egress(&server, &Limits::default());
    let request = Request {
        method: Method::POST,
        headers: vec![("authorization".into(), format!("Bearer {handle}"))],
        body: Some(RequestBody::Json(serde_json::json!({"token": handle}).to_string())),
        ..get("/prefix")
    };
    assert_eq!(egress.send(request).await.unwrap().status, 204);
}

#[tokio::test]
async fn a_form_is_encoded_with_the_value_of_a_secret_in_it() {
    let server = answering(ResponseTemplate::new(204)).await;
    let (egress, handle) = egress(&server, &Limits::default());
    let fields = [("user", "soc & co"), ("password", handle.as_str())];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let request = Request {
        method: Method::POST,
        body: Some(RequestBody::Form(fields.into())),
        ..get("/login")
    };
    assert_eq!(egress.send(request).await.unwrap().status, 204);
    let sent = server.received_requests().await.unwrap().pop().unwrap();
    assert_eq!(sent.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(
        String::from_utf8(sent.body).unwrap(),
        format!("user=soc+%26+co&password={TOKEN}")
    );
}

#[tokio::test]
async fn the_address_that_was_looked_up_is_the_one_that_is_checked() {
    let server = answering(ResponseTemplate::new(200)).await;
    let port = server.address().port();
    let policy = |deny_private| Policy {
        deny_private,
        ..Policy::default()
    };
    let ask = async |policy| {
        let grant = Grant {
            origin: Origin::of(&format!("http://localhost:{port}")).unwrap(),
            tls: Tls::default(),
        };
        let (secrets, _) = secrets_of(&grant.origin);
        let ends = Instant::now() + Duration::from_secs(30);
        let limits = Limits::default();
        let budget = CallBudget::alone(&limits);
        let egress = Egress::new(
            &Network::new(policy),
            &grant,
            secrets,
            &Sessions::default(),
            &limits,
            &budget,
            ends,
        )
        .unwrap();
        let sent = egress.send(get("/hosts")).await;
        let opened = egress.connect("/socket", &[], Duration::from_secs(5)).await;
        (sent, opened.map(drop), egress.acted())
    };
    let (sent, opened, _) = ask(policy(false)).await;
    assert_eq!(sent.unwrap().status, 200);
    assert!(matches!(opened, Err(EgressError::Rejected { .. })), "{opened:?}");
    let before = server.received_requests().await.unwrap().len();
    // The URL names no address, so that only the lookup can tell.
    let (sent, opened, acted) = ask(policy(true)).await;
    assert!(
        matches!(sent, Err(EgressError::Policy(PolicyError::Address { .. }))),
        "{sent:?}"
    );
    assert!(matches!(opened, Err(EgressError::Policy(_))), "{opened:?}");
    assert!(!acted);
    assert_eq!(server.received_requests().await.unwrap().len(), before);
}

#[tokio::test]
async fn a_call_makes_so_many_requests_and_reads_so_many_headers() {
    let many = ResponseTemplate::new(200).insert_header("x-padding", "x".repeat(2_000).as_str());
    let server = answering(many).await;
    let mut limits = Limits {
        requests: 2,
        ..Limits::default()
    };
    let (egress, _) = egress(&server, &limits);
    for _ in 0..2 {
        assert_eq!(egress.send(get("/hosts")).await.unwrap().status, 200);
    }
    let third = egress.send(get("/hosts")).await;
    assert!(matches!(third, Err(EgressError::TooMany { limit: 2 })), "{third:?}");
    let socket = egress.connect("/socket", &[], Duration::from_secs(5)).await;
    assert!(matches!(socket, Err(EgressError::TooMany { limit: 2 })));
    assert_eq!(server.received_requests().await.unwrap().len(), 2);

    limits.headers = 1_000;
    let (egress, _) = egress_to(&server.uri(), &limits);
    let large = egress.send(get("/hosts")).await;
    assert!(
        matches!(large, Err(EgressError::HeadersTooLarge { limit: 1_000, .. })),
        "{large:?}"
    );
}

#[tokio::test]
async fn captured_strings_and_cookies_do_not_reach_the_plugin() {
    let body = serde_json::json!({"token": "session-token-1", "deep": {"csrf": "session-token-2"}, "name": "soc"});
    let response = ResponseTemplate::new(200)
        .insert_header("set-cookie", "session=session-token-1")
        .set_body_json(body);
    let server = answering(response).await;
    let (egress, _) = egress(&server, &Limits::default());
    let request = Request {
        capture: vec!["/token".into(), "/deep/csrf".into(), "/absent".into()],
        ..get("/login")
    };
    let response = egress.send(request).await.unwrap();
    let seen = format!("{:?} {}", response.headers, String::from_utf8(response.body).unwrap());
    assert!(!seen.contains("session-token"), "{seen}");
    assert!(seen.contains("\"name\":\"soc\""), "{seen}");
}

#[tokio::test]
async fn only_repeatable_requests_are_repeated() {
    for (status, repeatable, expected) in [
        (503, true, 2),
        (429, true, 2),
        (503, false, 1),
        (500, true, 1),
        (401, true, 1),
    ] {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(status))
            .up_to_n_times(1)
            .mount(&server)
            .await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(200))
            .mount(&server)
            .await;
        let (egress, _) = egress(&server, &Limits::default());
        let request = Request { repeatable, ..get("/") };
        let response = egress.send(request).await.unwrap();
        assert_eq!(
            response.status == 200,
            expected == 2,
            "{status}, repeatable: {repeatable}"
        );
        assert_eq!(server.received_requests().await.unwrap().len(), expected, "{status}");
    }
}

#[tokio::test]
async fn a_call_has_acted_unless_its_requests_may_be_repeated_or_were_refused() {
    for (status, repeatable, capture, expected) in [
        (200, false, false, true),
        (500, false, false, true),
        (503, false, false, true),
        (401, false, false, false),
        (429, false, false, false),
        (200, false, true, false),
        (200, true, false, false),
    ] {
        let server = answering(ResponseTemplate::new(status)).await;
        let (egress, _) = egress(&server, &Limits::default());
        let request = Request {
            repeatable,
            capture: capture.then(|| "/token".to_owned()).into_iter().collect(),
            ..get("/")
        };
        egress.send(request).await.unwrap();
        assert_eq!(
            egress.acted(),
            expected,
            "{status}, repeatable: {repeatable}, capture: {capture}"
        );
    }
    // Where nothing listens: the port is reserved.
    let (egress, _) = egress_to("http://127.0.0.1:1", &Limits::default());
    let request = Request {
        repeatable: false,
        timeout: Duration::from_millis(100),
        ..get("/")
    };
    assert!(matches!(egress.send(request).await, Err(EgressError::Connect { .. })));
    assert!(!egress.acted());
}

#[tokio::test]
async fn a_server_that_asks_for_more_patience_than_there_is_gets_no_second_request() {
    let server = answering(ResponseTemplate::new(429).insert_header("retry-after", "60")).await;
    let (egress, _) = egress(&server, &Limits::default());
    let response = egress.send(get("/")).await.unwrap();
    assert_eq!(response.status, 429);
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_refused() {
    let server = answering(ResponseTemplate::new(200).set_body_bytes(vec![b'x'; 1_001])).await;
    let limits = Limits {
        body: 1_000,
        ..Limits::default()
    };
    let (egress, _) = egress(&server, &limits);
    let outcome = egress.send(get("/")).await;
    assert!(
        matches!(outcome, Err(EgressError::TooLarge { limit: 1_000, .. })),
        "{outcome:?}"
    );
}

/// Everything that an error says, however it is asked.
fn formats(error: &EgressError) -> String {
    let chain = std::iter::successors(Some(error as &dyn std::error::Error), |&error| error.source());
    let said: Vec<String> = chain
        .map(|error| format!("{error} {error:#} {error:?} {error:#?}"))
        .collect();
    said.join("\n")
}

#[tokio::test]
async fn no_failure_tells_the_path_or_a_secret() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    // A server that answers with this and closes the connection.
    let raw = async |answer: &'static [u8]| {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let _ = client.read(&mut [0; 4096]).await;
                let _ = client.write_all(answer).await;
            }
        });
        address
    };
    let slow = answering(ResponseTemplate::new(200).set_delay(Duration::from_secs(5))).await;
    let large = answering(ResponseTemplate::new(200).set_body_bytes(vec![b'x'; 101])).await;
    let padded = answering(ResponseTemplate::new(200).insert_header("x-padding", "x".repeat(2_000).as_str())).await;
    let closing = raw(b"").await;
    let echoing = raw(b"HTTP/1.1 200 value-of-the-token\r\ncontent-length: nonsense value-of-the-token\r\n\r\n").await;
    let short = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{}").await;
    for (url, expected) in [
        ("http://127.0.0.1:1".to_owned(), "Connect"),
        ("http://localhost.invalid".into(), "Resolve"),
        (format!("https://{closing}"), "Tls Interrupted Connect"),
        (format!("https://{echoing}"), "Tls"),
        (format!("http://{closing}"), "Interrupted"),
        (format!("http://{echoing}"), "Interrupted"),
        (format!("http://{short}"), "Interrupted"),
        (slow.uri(), "Timeout"),
        (large.uri(), "TooLarge"),
        (padded.uri(), "HeadersTooLarge"),
        ("http://169.254.169.254".into(), "Policy"),
    ] {
        let limits = Limits {
            body: 100,
            headers: 1_000,
            ..Limits::default()
        };
        let (secrets, handle) = secrets_of(&Origin::of(&url).unwrap());
        let grant = Grant {
            origin: Origin::of(&url).unwrap(),
            tls: Tls::default(),
        };
        let policy = Policy {
            allow_http: true,
            ..Policy::default()
        };
        let ends = Instant::now() + Duration::from_millis(400);
        let budget = CallBudget::alone(&limits);
        let said = match Egress::new(
            &Network::new(policy),
            &grant,
            secrets,
            &Sessions::default(),
            &limits,
            &budget,
            ends,
        ) {
            Err(refused) => format!("Policy {refused} {refused:?}"),
            Ok(egress) => {
                let request = Request {
                    method: Method::POST,
                    headers: vec![("authorization".into(), format!("Bearer {handle}"))],
                    body: Some(RequestBody::Json(serde_json::json!({"token": handle}).to_string())),
                    repeatable: false,
                    ..get("/hosts/name-of-a-host?query=words-of-an-alert")
                };
                formats(&egress.send(request).await.unwrap_err())
            }
        };
        assert!(expected.split(' ').any(|kind| said.contains(kind)), "{url}: {said}");
        for told in ["name-of-a-host", "words-of-an-alert", TOKEN, &handle] {
            assert!(!said.contains(told), "{url}: {said}");
        }
    }
}
