//! Requests that a plugin may not send, or not as many at once as it wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{CONNECTIONS, ran, said};

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
