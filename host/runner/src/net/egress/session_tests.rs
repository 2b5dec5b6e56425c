//! What calls with the same login share, and what they do not.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::secrets::{Secrets, Vault};

/// A run: what its calls share.
struct Run {
    vault: Vault,
    sessions: Sessions,
    network: Network,
    url: String,
}

/// A server that gives another token with each login, a little late.
async fn server(status: u16) -> MockServer {
    let server = MockServer::start().await;
    let logins = AtomicU32::new(0);
    let answer = move |_: &wiremock::Request| {
        let number = logins.fetch_add(1, Ordering::Relaxed);
        ResponseTemplate::new(status)
            .set_delay(Duration::from_millis(100))
            .set_body_json(json!({"token": format!("a-session-token-{number}-of-the-server")}))
    };
    Mock::given(path("/login")).respond_with(answer).mount(&server).await;
    server
}

async fn logins(server: &MockServer) -> usize {
    server.received_requests().await.unwrap_or_default().len()
}

impl Run {
    fn new(server: &MockServer) -> Self {
        let secrets = ["one", "two"].map(|name| (name.to_owned(), format!("password-number-{name}").into()));
        Self {
            vault: Vault::new(Secrets::new(secrets)),
            sessions: Sessions::default(),
            network: Network::default(),
            url: server.uri(),
        }
    }

    fn call(&self) -> (Egress, CallSecrets) {
        let limits = Limits::default();
        let grant = Grant::new(Origin::of(&self.url).unwrap(), Tls::default());
        let secrets = self.vault.call(Some(grant.origin.to_string()));
        let ends = Instant::now() + Duration::from_secs(30);
        let budget = CallBudget::alone(&limits);
        let egress = Egress::new(
            &self.network,
            &grant,
            secrets.clone(),
            &self.sessions,
            &limits,
            &budget,
            ends,
        );
        (egress.unwrap(), secrets)
    }

    fn login(&self, secrets: &CallSecrets, user: &str, password: &str) -> Request {
        let params = json!({"user": user, "password": self.vault.handle(password).unwrap()});
        Request {
            method: Method::POST,
            path: "/login".into(),
            headers: Vec::new(),
            body: Some(RequestBody::Json(secrets.enter(&params).to_string())),
            timeout: Duration::from_secs(10),
            repeatable: false,
            capture: vec!["/token".into()],
        }
    }

    /// The handle of a session's token.
    async fn open(&self, user: &str, password: &str) -> String {
        let (egress, secrets) = self.call();
        let login = self.login(&secrets, user, password);
        token(&egress.open_session(user, login, None).await.unwrap())
    }
}

fn token(answer: &Response) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    body["token"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn calls_at_once_wait_for_one_login() {
    let server = server(200).await;
    let run = Run::new(&server);
    let handles = futures::future::join_all((0..20).map(|_| run.open("soc", "one"))).await;
    assert_eq!(logins(&server).await, 1);
    let different: std::collections::HashSet<&String> = handles.iter().collect();
    assert_eq!(different.len(), 20, "each call has a handle of its own");
    assert!(handles.iter().all(|handle| !handle.contains("session-token")));
}

#[tokio::test]
async fn calls_with_other_credentials_share_nothing() {
    let server = server(200).await;
    let run = Run::new(&server);
    for (user, password) in [("soc", "one"), ("soc", "two"), ("hunt", "one"), ("soc", "one")] {
        run.open(user, password).await;
    }
    assert_eq!(logins(&server).await, 3);
    let other = Run::new(&server);
    other.open("soc", "one").await;
    assert_eq!(logins(&server).await, 4, "another run has sessions of its own");
}

#[tokio::test]
async fn a_refused_login_is_not_sent_again_at_once() {
    let server = server(401).await;
    let run = Run::new(&server);
    let open = async || {
        let (egress, secrets) = run.call();
        let login = run.login(&secrets, "soc", "one");
        egress.open_session("soc", login, None).await.unwrap().status
    };
    let statuses = futures::future::join_all((0..20).map(|_| open())).await;
    assert_eq!(statuses, [401; 20]);
    assert_eq!(open().await, 401, "nor for a call that begins later");
    assert_eq!(logins(&server).await, 1);
    run.open_refused("two").await;
    assert_eq!(logins(&server).await, 2, "another password is another login");
}

#[tokio::test]
async fn a_failing_server_is_asked_again_by_who_did_not_wait() {
    let server = server(500).await;
    let run = Run::new(&server);
    futures::future::join_all((0..5).map(|_| run.open_refused("one"))).await;
    assert_eq!(logins(&server).await, 1);
    run.open_refused("one").await;
    assert_eq!(logins(&server).await, 2);
}

impl Run {
    async fn open_refused(&self, password: &str) {
        let (egress, secrets) = self.call();
        let login = self.login(&secrets, "soc", password);
        assert!(egress.open_session("soc", login, None).await.unwrap().status >= 400);
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_by_one_login() {
    let server = server(200).await;
    let run = Run::new(&server);
    let calls: Vec<_> = (0..10).map(|_| run.call()).collect();
    let open = async |(egress, secrets): &(Egress, CallSecrets), refused: Option<String>| {
        let login = run.login(secrets, "soc", "one");
        token(&egress.open_session("soc", login, refused.as_deref()).await.unwrap())
    };
    let first = futures::future::join_all(calls.iter().map(|call| open(call, None))).await;
    let refused = calls
        .iter()
        .zip(&first)
        .map(|(call, handle)| open(call, Some(handle.clone())));
    let second = futures::future::join_all(refused).await;
    assert_eq!(logins(&server).await, 2);
    assert!(first.iter().zip(&second).all(|(first, second)| first != second));
    // Each call may cause one login more; the first of them has had its own.
    for _ in 0..3 {
        let handle = open(&calls[0], None).await;
        open(&calls[0], Some(handle)).await;
    }
    assert_eq!(logins(&server).await, 2);
}

#[tokio::test]
async fn a_login_that_is_dropped_holds_up_nobody() {
    let server = server(200).await;
    let run = Run::new(&server);
    let sent = async {
        while logins(&server).await == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        biased;
        () = sent => {}
        _ = run.open("soc", "one") => panic!("the server is late"),
    }
    run.open("soc", "one").await;
    assert_eq!(logins(&server).await, 2);
}

#[tokio::test]
async fn what_is_no_login_or_no_handle_is_refused() {
    let server = server(200).await;
    let run = Run::new(&server);
    let handle = run.open("soc", "one").await;
    let (egress, secrets) = run.call();
    // Whether a text is the token, nobody learns; nor is a handle of another call one.
    for text in ["a-session-token-0-of-the-server", &handle] {
        let login = run.login(&secrets, "soc", "one");
        let refused = egress.open_session("soc", login, Some(text)).await;
        assert!(matches!(refused, Err(EgressError::InvalidRequest(_))));
    }
    let plain = Request {
        capture: Vec::new(),
        ..run.login(&secrets, "soc", "one")
    };
    let refused = egress.open_session("soc", plain, None).await;
    assert!(matches!(refused, Err(EgressError::InvalidRequest(_))));
    assert_eq!(logins(&server).await, 1);
}
