//! Whoever asks the command to stop is heard, whatever it is doing.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;

use crate::command::playbook;
use crate::one_step::{self, TOKEN, host};
use crate::poll::command::{fleet, signal, start};

/// How the command ends, which it must do soon.
async fn ends(mut child: Child, within: u64) -> Option<i32> {
    // To wait closes it.
    let _stdin = child.stdin.take();
    let ended = tokio::time::timeout(Duration::from_secs(within), child.wait()).await;
    ended.expect("it ends").unwrap().code()
}

#[tokio::test]
async fn a_command_that_waits_for_its_input_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = one_step::write(
        folder.path(),
        &json!({"base_url": "https://fleet.example.com"}),
        &json!({}),
    );
    for asked in [Signal::TERM, Signal::INT] {
        for args in [&["run", &file, "--alert", "-"][..], &["validate", "-"]] {
            // Nothing ever comes.
            let mut command = playbook(args, &[("token", TOKEN)]);
            let child = command.stdin(Stdio::piped()).spawn().unwrap();
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            signal(&child, asked);
            assert_eq!(ends(child, 5).await, Some(130), "{args:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_output_nobody_reads_ends() {
    let hosts: Vec<_> = (0..400).map(|n| host(&format!("host-{n}"))).collect();
    let names: Vec<String> = (0..400).map(|n| format!("host-{n}")).collect();
    let server = one_step::fleet(hosts).await;
    for (output, signals) in [("ndjson", 1), ("json", 1), ("ndjson", 2)] {
        let folder = tempfile::tempdir().unwrap();
        let params = json!({"base_url": server.url(), "target_hosts": names, "timeout_seconds": 20});
        let file = one_step::write(folder.path(), &params, &json!({"for_each": [1, 2, 3, 4, 5, 6]}));
        let mut command = playbook(&["run", &file, "--output", output], &[("token", TOKEN)]);
        let child = command.spawn().unwrap();
        tokio::time::sleep(Duration::from_secs(8)).await;
        let began = Instant::now();
        for _ in 0..signals {
            signal(&child, Signal::TERM);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(ends(child, 15).await, Some(130), "{output}");
        if signals == 2 {
            assert!(
                began.elapsed() < Duration::from_secs(3),
                "the second signal waits for nothing"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_whose_events_nobody_reads_ends() {
    let (_server, polled) = start(fleet(2_000), json!({})).await;
    let (file, state) = (polled.path("connector.yaml"), polled.path("state"));
    let args = ["poll", file.to_str().unwrap(), "--state", state.to_str().unwrap()];
    let child = playbook(&args, &[("token", crate::poll::polled::TOKEN)])
        .spawn()
        .unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    signal(&child, Signal::TERM);
    assert_eq!(ends(child, 15).await, Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_requests_keep_nobody_from_the_counters() {
    let (_server, polled) = start(fleet(1), json!({})).await;
    let mut child = polled.command(&["--metrics", "0"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if let Some((_, address)) = line.split_once("http://") {
            break address.split('/').next().unwrap().to_owned();
        }
    };
    let mut half_sent = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-Slow: ")
            .await
            .unwrap();
        half_sent.push(stream);
    }
    let asked = async {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    let text = tokio::time::timeout(Duration::from_secs(3), asked).await.unwrap();
    assert!(text.contains("playbook_poll"), "{text}");
    // The last of them are given up, too.
    let mut last = half_sent.pop().unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), last.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "a request may not come for ever");
    assert_eq!(child.try_wait().unwrap(), None);
    signal(&child, Signal::TERM);
    assert_eq!(ends(child, 15).await, Some(0));
}
