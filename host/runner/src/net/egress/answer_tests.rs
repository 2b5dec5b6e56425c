//! Every shape of an answer in which a server could give a token.

use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::secrets::{Secrets, Vault};

const TOKEN: &str = "tok3n-of-a-session";

/// A call's network, to a server that answers `/login` with this and everything else with the token.
async fn logged_in(
    login: ResponseTemplate,
    then: ResponseTemplate,
) -> (Result<Response, EgressError>, Egress, MockServer) {
    let server = MockServer::start().await;
    Mock::given(path("/login")).respond_with(login).mount(&server).await;
    Mock::given(path("/me")).respond_with(then).mount(&server).await;
    let origin = Origin::of(&server.uri()).unwrap();
    let secrets = Vault::new(Secrets::new([])).call(Some(origin.to_string()));
    let grant = Grant {
        origin,
        tls: Tls::default(),
    };
    let ends = Instant::now() + Duration::from_secs(30);
    let limits = Limits::default();
    let budget = CallBudget::alone(&limits);
    let egress = Egress::new(
        &Network::default(),
        &grant,
        secrets,
        &Sessions::default(),
        &limits,
        &budget,
        ends,
    )
    .unwrap();
    let answer = egress.send(asking("/login", &["/token", "/deep/csrf"])).await;
    (answer, egress, server)
}

fn asking(path: &str, capture: &[&str]) -> Request {
    Request {
        method: Method::GET,
        path: path.to_owned(),
        headers: Vec::new(),
        body: None,
        timeout: Duration::from_secs(20),
        repeatable: true,
        capture: capture.iter().map(|pointer| (*pointer).to_owned()).collect(),
    }
}

/// All that a plugin sees of an answer.
fn seen(answer: &Result<Response, EgressError>) -> String {
    match answer {
        Ok(answer) => format!(
            "{} {:?} {}",
            answer.status,
            answer.headers,
            String::from_utf8_lossy(&answer.body)
        ),
        Err(error) => error.to_string(),
    }
}

fn answer(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.replace('§', TOKEN), "application/json")
}

fn nothing() -> ResponseTemplate {
    ResponseTemplate::new(204)
}

#[tokio::test]
async fn an_answer_in_which_a_token_is_not_found_for_certain_is_withheld() {
    for body in [
        r#"{"token": "§"} and more"#,
        r#"{"token": "§"}{}"#,
        "\u{feff}{\"token\": \"§\"}",
        r#"[{"token": "§"}]"#,
        r#""§""#,
        "§",
        "20010927113041",
        "1e5",
        r#"{"token": "§", "token": "x"}"#,
        r#"{"token": "x", "\u0074oken": "§"}"#,
        r#"{"deep": {"csrf": "§", "csrf": "x"}}"#,
        r#"{"token": ["§"]}"#,
        r#"{"token": {"value": "§"}}"#,
        r#"{"token": 20010927113041}"#,
        r#"{"token": true, "other": "§"}"#,
        r#"{"token": "§""#,
        r"{'token': '§'}",
        "token=§&x=1",
        "<html>§</html>",
    ] {
        let (answer, ..) = logged_in(answer(200, body), nothing()).await;
        assert!(
            matches!(answer, Err(EgressError::Captured { .. })),
            "{body}: {answer:?}"
        );
        assert!(
            !seen(&answer).contains(TOKEN) && !seen(&answer).contains("20010927113041"),
            "{body}: {answer:?}"
        );
        // Why a login is refused is said by the status alone, unless the words are those of a document.
        let (answer, ..) = logged_in(self::answer(401, body), nothing()).await;
        assert!(!seen(&answer).contains(TOKEN), "{body}: {answer:?}");
    }
    let (answer, ..) = logged_in(self::answer(401, r#"{"message": "no such user"}"#), nothing()).await;
    assert_eq!(
        String::from_utf8(answer.unwrap().body).unwrap(),
        r#"{"message":"no such user"}"#
    );
    let (answer, ..) = logged_in(self::answer(202, r#"{"mfa": true, "token": null}"#), nothing()).await;
    assert_eq!(answer.unwrap().status, 202);
    let page = ResponseTemplate::new(200).set_body_raw(format!("<html>{TOKEN}</html>"), "text/html; charset=utf-8");
    let (answer, ..) = logged_in(page, nothing()).await;
    assert!(answer.unwrap().body.is_empty());
    let long = format!(r#"{{"token": "{}"}}"#, "x1".repeat(9_000));
    let (answer, ..) = logged_in(self::answer(200, &long), nothing()).await;
    assert!(matches!(answer, Err(EgressError::Captured { .. })), "{answer:?}");
    let gigantic = format!(r#"{{"token": "§", "more": "{}"}}"#, "x".repeat(2 << 20));
    let (answer, ..) = logged_in(self::answer(200, &gigantic), nothing()).await;
    assert!(matches!(answer, Err(EgressError::TooLarge { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_token_is_hidden_wherever_the_answer_has_it() {
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("Bearer {TOKEN}"));
    for (body, shown) in [
        (r#"{"token": "§"}"#.to_owned(), "token"),
        (
            r#"{ "user": {"token": "§"}, "message": "hello §", "§": ["§", {"x": "§"}], "token": "§" }"#.into(),
            "hello",
        ),
        (r#"{"data": {"Token": "§"}}"#.into(), "data"),
        (r#"{"data": [{"CSRF": ["§"]}], "token": null}"#.into(), "data"),
        (r#"{"token": "", "deep": {"csrf": "§"}, "same": "§"}"#.into(), "same"),
        (
            r#"{"token": "§", "escaped": "\u0074ok3n-of-a-session", "url": "/me?t=tok3n%2Dof%2da-session"}"#.into(),
            "escaped",
        ),
        (format!(r#"{{"token": "§", "header": "{basic}"}}"#), "header"),
    ] {
        let login = answer(200, &body)
            .insert_header("set-cookie", format!("session={TOKEN}").as_str())
            .insert_header("x-auth-token", TOKEN)
            .insert_header("location", format!("/me?token={TOKEN}").as_str());
        let (answer, ..) = logged_in(login, nothing()).await;
        let seen = seen(&answer);
        assert!(answer.is_ok() && seen.contains(shown), "{body}: {seen}");
        for part in [TOKEN, &TOKEN[..8], "tok3n%2D", &basic] {
            assert!(!seen.contains(part), "{body}: {seen}");
        }
        // What the plugin can use is a handle.
        assert!(seen.contains("secret-handle-"), "{body}: {seen}");
    }
}

#[tokio::test]
async fn no_later_answer_of_a_call_shows_a_token_that_it_captured() {
    let login = || answer(200, r#"{"token": "§"}"#);
    for then in [
        answer(200, r#"{"session": "§"}"#),
        answer(200, "§, as a text"),
        answer(500, "Authorization: Bearer §"),
        answer(200, r#"{"session": "\u0074\u006f\u006b\u0033n-of-a-session"}"#),
        ResponseTemplate::new(200).insert_header("x-token", TOKEN),
        ResponseTemplate::new(301).insert_header("location", format!("/me?token={TOKEN}").as_str()),
        ResponseTemplate::new(200).set_body_bytes(TOKEN.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
        ResponseTemplate::new(200).set_body_bytes([&[0xff, 0xfe], TOKEN.as_bytes()].concat()),
    ] {
        let (_, egress, server) = logged_in(login(), then).await;
        let answer = egress.send(asking("/me", &[])).await;
        let wide: String = TOKEN.chars().flat_map(|letter| [letter, '\0']).collect();
        assert!(
            !seen(&answer).contains(TOKEN) && !seen(&answer).contains(&wide),
            "{answer:?}"
        );
        assert!(!seen(&answer).contains("\\u0074"), "{answer:?}");
        drop(server);
    }
    // What is encoded in a way that nobody asked for could hold anything.
    let encoded = answer(200, "§").insert_header("content-encoding", "br");
    let (_, egress, server) = logged_in(login(), encoded).await;
    let answer = egress.send(asking("/me", &[])).await;
    assert!(matches!(answer, Err(EgressError::Encoded { .. })), "{answer:?}");
    drop(server);
}

#[tokio::test]
async fn a_token_that_a_call_was_given_is_not_shown_to_it_either() {
    let server = MockServer::start().await;
    let echo = |request: &wiremock::Request| {
        let sent = request.headers["authorization"].to_str().unwrap().to_owned();
        ResponseTemplate::new(500).set_body_string(format!("who is {sent}?"))
    };
    Mock::given(path("/me")).respond_with(echo).mount(&server).await;
    let vault = Vault::new(Secrets::new([("token".to_owned(), TOKEN.into())]));
    let origin = Origin::of(&server.uri()).unwrap();
    let secrets = vault.call(Some(origin.to_string()));
    let handle = secrets.enter(&vault.handle("token").unwrap().into());
    let grant = Grant {
        origin,
        tls: Tls::default(),
    };
    let ends = Instant::now() + Duration::from_secs(30);
    let limits = Limits::default();
    let budget = CallBudget::alone(&limits);
    let egress = Egress::new(
        &Network::default(),
        &grant,
        secrets,
        &Sessions::default(),
        &limits,
        &budget,
        ends,
    )
    .unwrap();
    let headers = vec![(
        "authorization".to_owned(),
        format!("Bearer {}", handle.as_str().unwrap()),
    )];
    let request = Request {
        headers,
        ..asking("/me", &[])
    };
    let answer = egress.send(request).await.unwrap();
    assert_eq!(
        String::from_utf8(answer.body).unwrap(),
        format!("who is Bearer {}?", handle.as_str().unwrap())
    );
}
