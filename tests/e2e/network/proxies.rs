//! Proxies that the environment names.

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::command::{Finished, finish, playbook};
use crate::one_step::{self, HOST, TOKEN, host};

/// A proxy that reaches nobody. Tells the first line of every request.
async fn proxy() -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://somebody:proxy-password@{}", listener.local_addr().unwrap());
    let (asked, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let asked = asked.clone();
            tokio::spawn(async move {
                let mut connection = BufReader::new(connection);
                let mut line = String::new();
                connection.read_line(&mut line).await.unwrap();
                asked.send(line.trim_end().to_owned()).unwrap();
                let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = connection.get_mut().write_all(refusal).await;
            });
        }
    });
    (url, requests)
}

/// Runs a playbook that asks this server, with `HTTP_PROXY` and `HTTPS_PROXY` set to this.
async fn ask(base_url: &str, proxy: &str) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let params = json!({"base_url": base_url, "timeout_seconds": 5});
    let file = one_step::write(folder.path(), &params, &json!({}));
    let mut command = playbook(&["run", &file, "--allow-http"], &[("token", TOKEN)]);
    command.env("HTTP_PROXY", proxy).env("HTTPS_PROXY", proxy);
    finish(command.spawn().unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_asked_for_other_machines() {
    let (url, mut requests) = proxy().await;
    // No name is looked up here: the proxy does that.
    for (base_url, asked) in [
        ("http://fleet.invalid", "GET http://fleet.invalid/api/"),
        ("https://fleet.invalid", "CONNECT fleet.invalid:443 HTTP/1.1"),
    ] {
        let done = ask(base_url, &url).await;
        assert_eq!(done.code(), 1, "{}{}", done.stdout, done.stderr);
        let first = requests.recv().await.unwrap();
        assert!(first.starts_with(asked), "{first}");
        while requests.try_recv().is_ok() {}
        for said in [&done.stdout, &done.stderr] {
            assert!(!said.contains("proxy-password"), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_this_machine_stays_on_it() {
    let (url, mut requests) = proxy().await;
    let server = one_step::fleet(vec![host(HOST)]).await;
    let done = ask(server.url(), &url).await;
    assert_eq!(done.code(), 0, "{}{}", done.stdout, done.stderr);
    assert!(requests.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_down_is_named_as_a_possible_cause() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let done = ask("http://fleet.invalid", &closed).await;
    assert_eq!(done.code(), 1, "{}{}", done.stdout, done.stderr);
    let words = "cannot connect to http://fleet.invalid, or to the proxy that the environment names";
    assert!(done.stdout.contains(words), "{}", done.stdout);
}
