use std::time::Duration;

use futures::future::join;
use reqwest::Method;
use serde_json::json;

use super::*;
use crate::secrets::Vault;

fn player(entries: &Value) -> Player {
    let transcript = json!({"entries": entries, "clock": {"now_ms": [5_000], "monotonic_ms": []}});
    Player::new(serde_json::from_value(transcript).unwrap(), vault().call(None))
}

fn vault() -> Vault {
    Vault::of_masks(["token", "password"].map(str::to_owned))
}

/// A player, and the handle of `token` in its call.
fn player_and_handle(entries: &Value) -> (Player, String) {
    let vault = vault();
    let transcript = json!({"entries": entries, "clock": {"now_ms": [5_000], "monotonic_ms": []}});
    let player = Player::new(serde_json::from_value(transcript).unwrap(), vault.call(None));
    let placeholder = Value::from(vault.handle("token").unwrap());
    let handle = player.secrets().enter(&placeholder);
    (player, handle.as_str().unwrap().to_owned())
}

fn exchange(ended_us: u64, body: &str, answer: &str) -> Value {
    json!({"http": {
        "began_us": 0, "ended_us": ended_us, "method": "POST", "path": "/ask", "headers": [],
        "body": {"json": body}, "timeout_ms": 1_000, "repeatable": true,
        "answer": {"response": {"status": 200, "headers": [], "body": {"text": answer}}},
    }})
}

fn ask(body: &str) -> Request {
    Request {
        method: Method::POST,
        path: "/ask".into(),
        headers: Vec::new(),
        body: Some(egress::RequestBody::Json(body.into())),
        timeout: Duration::from_secs(1),
        repeatable: true,
        capture: vec!["/session".into()],
    }
}

fn text(response: Result<egress::Response, WireError>) -> String {
    String::from_utf8(response.unwrap().body).unwrap()
}

#[tokio::test]
async fn requests_are_found_by_what_they_are_and_answered_in_the_recorded_order() {
    let (player, handle) = player_and_handle(&json!([
        exchange(20, r#"{"a": 1, "b": [2]}"#, "late"),
        exchange(10, r#""‹secret token›""#, "early"),
        exchange(30, r#""‹secret token›""#, "again"),
    ]));
    let came = Mutex::new(Vec::new());
    let asking = |body: String| {
        let (player, came) = (&player, &came);
        async move {
            let answer = text(player.send(&ask(&body)).await);
            came.lock().unwrap().push((answer, player.time().now()));
        }
    };
    let all = async {
        join(asking(r#"{"b":[2],"a":1}"#.into()), asking(format!("{handle:?}"))).await;
        asking(format!("{handle:?}")).await;
    };
    player.time().drive(all).await.unwrap();
    let expected = [("early", 10), ("late", 20), ("again", 30)].map(|(text, at)| (text.to_owned(), at));
    assert_eq!(came.into_inner().unwrap(), expected);
    assert_eq!(player.unrecorded(), None);

    // It was answered twice, and that is all there is.
    let asked = ask(&format!("{handle:?}"));
    let error = player.time().drive(player.send(&asked)).await.unwrap().unwrap_err();
    assert!(matches!(error, WireError::Unrecorded(_)));
    let named = player.unrecorded().unwrap();
    assert!(
        named.starts_with("POST /ask with the body \"‹secret token›\"; the record has 3 requests"),
        "{named}"
    );
}

#[tokio::test]
async fn a_session_token_is_given_as_a_handle_once_more() {
    let player = player(&json!([exchange(1, "{}", r#"{"session": "‹secret session›"}"#)]));
    let answer = player.time().drive(player.send(&ask("{}"))).await.unwrap();
    let answer: Value = serde_json::from_str(&text(answer)).unwrap();
    let handle = answer["session"].as_str().unwrap();
    assert!(Vault::contains_handle(handle), "{handle}");
    assert_eq!(player.secrets().masker().mask(handle), "‹secret session›");
}

#[tokio::test]
async fn a_websocket_says_what_it_said_and_hears_what_it_heard() {
    let (player, handle) = player_and_handle(&json!([{"websocket": {
        "began_us": 0, "ended_us": 1, "path": "/live", "headers": [], "handshake": "open",
        "frames": [
            {"at_us": 2, "event": {"sent": {"text": r#"{"auth": "‹secret token›"}"#}}},
            {"at_us": 3, "event": {"received": {"text": "one"}}},
            {"at_us": 3, "event": {"received": {"text": "two"}}},
            {"at_us": 4, "event": {"broken": {"kind": "interrupted", "message": "gone"}}},
        ],
    }}]));
    let talk = async {
        let socket = player.connect("/live").await.unwrap();
        socket.send(&format!(r#"{{"auth":"{handle}"}}"#)).await.unwrap();
        let patience = Duration::from_secs(1);
        assert_eq!(socket.receive(patience).await.unwrap(), ["one", "two"]);
        let broken = socket.receive(patience).await.unwrap_err();
        assert_eq!((broken.to_string().as_str(), player.time().now()), ("gone", 4));
        let silent = socket.receive(patience).await.unwrap_err();
        assert_eq!(
            (silent.kind(), player.time().now()),
            (NetworkFailureKind::Timeout, 1_000_004)
        );
        socket.send("{}").await.unwrap_err();
    };
    player.time().drive(talk).await.unwrap();
    let named = player.unrecorded().unwrap();
    assert_eq!(named, "another frame on the websocket at /live: {}");
    assert!(player.time().drive(player.connect("/live")).await.unwrap().is_err());
}

#[test]
fn clocks_show_what_they_showed_and_then_go_on() {
    let player = player(&json!([]));
    assert_eq!([player.now(), player.now(), player.monotonic()], [5_000, 5_000, 0]);
}

#[test]
fn only_the_names_of_known_secrets_become_handles_again() {
    let vault = vault();
    let text = "Bearer ‹secret token›, ‹secret other›, ‹secret tok, ‹secret ‹secret password›";
    let unmasked = vault.unmasked(text);
    assert!(!unmasked.contains("‹secret token›") && !unmasked.contains("‹secret password›"));
    assert_eq!(vault.masked(&unmasked), text);
}
