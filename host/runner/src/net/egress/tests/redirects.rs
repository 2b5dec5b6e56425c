//! Redirects are followed inside the granted origin only, and only by requests that read.

use super::*;

/// A server that redirects from `/old/hosts` to this.
async fn redirecting(status: u16, location: &str) -> MockServer {
    let server = MockServer::start().await;
    let redirect = ResponseTemplate::new(status).insert_header("location", location);
    for (from, answer) in [("/old/hosts", redirect), ("/new/hosts", ResponseTemplate::new(200))] {
        let mock = Mock::given(path(from)).respond_with(answer);
        mock.mount(&server).await;
    }
    server
}

/// What the plugin is answered, and how many requests there were.
async fn redirected(server: &MockServer, request: Request) -> (u16, usize) {
    let (egress, _) = egress(server, &Limits::default());
    let status = egress.send(request).await.unwrap().status;
    (status, server.received_requests().await.unwrap().len())
}

#[tokio::test]
async fn a_redirect_inside_the_origin_is_followed_with_the_same_header_fields() {
    for status in [301, 302, 307, 308] {
        for location in ["/new/hosts", "../new/hosts", "/old/../new/hosts?page=2"] {
            let server = redirecting(status, location).await;
            assert_eq!(
                redirected(&server, get("/old/hosts")).await,
                (200, 2),
                "{status} {location}"
            );
        }
    }
    let server = redirecting(302, "/new/hosts").await;
    let (egress, handle) = egress(&server, &Limits::default());
    let request = Request {
        headers: vec![("authorization".into(), format!("Bearer {handle}"))],
        ..get("/old/hosts")
    };
    assert_eq!(egress.send(request).await.unwrap().status, 200);
    let sent = server.received_requests().await.unwrap().pop().unwrap();
    assert_eq!(sent.headers["authorization"], format!("Bearer {TOKEN}"));
    // Its address written out is the same.
    let server = MockServer::start().await;
    let location = format!("{}/new/hosts", server.uri());
    let redirect = ResponseTemplate::new(302).insert_header("location", location.as_str());
    Mock::given(path("/old/hosts"))
        .respond_with(redirect)
        .mount(&server)
        .await;
    assert_eq!(redirected(&server, get("/old/hosts")).await, (404, 2));
}

#[tokio::test]
async fn a_redirect_that_leaves_the_origin_is_an_answer_and_is_not_followed() {
    let elsewhere = answering(ResponseTemplate::new(200)).await;
    let (host, port) = (elsewhere.address().to_string(), elsewhere.address().port());
    for location in [
        format!("http://{host}/new/hosts"),
        format!("//{host}/new/hosts"),
        format!("///{host}/new/hosts"),
        format!("http:\\\\{host}/new/hosts"),
        format!("/\\{host}/new/hosts"),
        format!("\\\\{host}/new/hosts"),
        format!("http://localhost:{port}/new/hosts"),
        "https://{here}/new/hosts".into(),
        "http://user@{here}/new/hosts".into(),
        "http://user:password@{here}/new/hosts".into(),
        format!("http://{{here}}@{host}/new/hosts"),
        "ftp://{here}/new/hosts".into(),
        "file:///etc/passwd".into(),
        "/new/hosts#fragment".into(),
        "/new hosts".into(),
        "http://[/new/hosts".into(),
        format!("/new/hosts?token={TOKEN}"),
    ] {
        let server = MockServer::start().await;
        let location = location.replace("{here}", &server.address().to_string());
        let redirect = ResponseTemplate::new(302).insert_header("location", location.as_str());
        Mock::given(any()).respond_with(redirect).mount(&server).await;
        assert_eq!(redirected(&server, get("/old/hosts")).await, (302, 1), "{location}");
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn only_reading_is_redirected_and_not_for_ever() {
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let server = redirecting(307, "/new/hosts").await;
        let request = Request {
            method: method.clone(),
            ..get("/old/hosts")
        };
        assert_eq!(redirected(&server, request).await, (307, 1), "{method}");
    }
    for status in [300, 303, 304, 305] {
        let server = redirecting(status, "/new/hosts").await;
        assert_eq!(redirected(&server, get("/old/hosts")).await, (status, 1));
    }
    let server = redirecting(302, "/old/hosts").await;
    assert_eq!(redirected(&server, get("/old/hosts")).await, (302, 1 + REDIRECTS));
    // Each is a request.
    let server = redirecting(302, "/old/hosts").await;
    let limits = Limits {
        requests: 3,
        ..Limits::default()
    };
    let (egress, _) = egress(&server, &limits);
    let outcome = egress.send(get("/old/hosts")).await;
    assert!(matches!(outcome, Err(EgressError::TooMany { limit: 3 })), "{outcome:?}");
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}
