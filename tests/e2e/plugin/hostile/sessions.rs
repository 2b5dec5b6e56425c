//! Plugins that misuse the logins that calls share.

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{ran, said};

const SESSION: &str = "wq-7713-session-token";

async fn server() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"token": SESSION})))
        .mount(&server)
        .await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn no_login_is_sent_that_could_tell_something() {
    let server = server().await;
    for (name, more) in [
        ("without a token to keep", json!({})),
        (
            "with a forged handle",
            json!({"capture": ["/token"], "refused": "secret-handle-00000000000000000000000000000000"}),
        ),
        (
            "with a guess of the token",
            json!({"capture": ["/token"], "refused": SESSION}),
        ),
        ("with an empty token", json!({"capture": ["/token"], "refused": ""})),
    ] {
        let mut params = json!({"url": server.uri()});
        params
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let ran = ran("log in", params).await;
        assert!(said(&ran).contains("InvalidRequest"), "{name}: {}", said(&ran));
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_logins_show_no_token_and_end_each_call_as_usual() {
    let server = server().await;
    let params = json!({"url": server.uri(), "capture": ["/token"], "count": 600});
    let ran = ran("log in", params).await;
    let words = said(&ran);
    assert!(
        words.contains("answered: 200") || words.contains("Denied") || words.contains("TooLarge"),
        "{words}"
    );
    let report: Value = serde_json::to_value(&ran.report).unwrap();
    assert!(!report.to_string().contains(SESSION));
    assert!(ran.messages.iter().all(|message| !message.contains(SESSION)));
}
