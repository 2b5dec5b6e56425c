//! What a websocket receives at once, and how it ends.

use futures::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A websocket to a server that does this with it.
async fn socket<F: Future<Output = ()> + Send>(
    server: impl FnOnce(WebSocketStream<TcpStream>) -> F + Send + 'static,
) -> LiveSocket {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        server(tokio_tungstenite::accept_async(client).await.unwrap()).await;
    });
    let (egress, _) = egress_to(&url, &Limits::default());
    egress.connect("/socket", &[], PATIENCE).await.unwrap()
}

#[tokio::test]
async fn frames_come_in_batches_in_order_until_the_peer_closes() {
    let socket = socket(async |mut server| {
        for number in 0..1_000 {
            server.feed(Message::text(number.to_string())).await.unwrap();
            if number % 100 == 0 {
                server.feed(Message::Ping("still there?".into())).await.unwrap();
                server.feed(Message::binary(vec![0; 10])).await.unwrap();
            }
        }
        server.close(None).await.unwrap();
        while server.next().await.is_some() {}
    })
    .await;
    let (mut received, mut batches) = (Vec::new(), 0);
    loop {
        let texts = socket.receive(PATIENCE).await.unwrap();
        assert!(texts.len() <= 256, "{}", texts.len());
        drop(socket.received());
        if texts.is_empty() {
            break;
        }
        received.extend(texts);
        batches += 1;
    }
    assert_eq!(
        received,
        (0..1_000).map(|number| number.to_string()).collect::<Vec<_>>()
    );
    assert!(batches <= 100, "{batches} batches");
    assert!(socket.receive(PATIENCE).await.unwrap().is_empty(), "it stays closed");
}

#[tokio::test]
async fn a_large_frame_ends_a_batch() {
    let socket = socket(async |mut server| {
        for _ in 0..4 {
            server.feed(Message::text("x".repeat(800_000))).await.unwrap();
        }
        server.flush().await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let mut left = 4;
    while left > 0 {
        let texts = socket.receive(PATIENCE).await.unwrap();
        assert!((1..=2).contains(&texts.len()), "{}", texts.len());
        left -= texts.len();
    }
}

#[tokio::test]
async fn a_socket_that_is_silent_stays_open() {
    let (speak, spoken) = tokio::sync::oneshot::channel();
    let socket = socket(async |mut server| {
        spoken.await.unwrap();
        server.send(Message::text("at last")).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let silent = socket.receive(Duration::from_millis(20)).await;
    assert!(matches!(silent, Err(EgressError::Timeout { .. })), "{silent:?}");
    speak.send(()).unwrap();
    assert_eq!(socket.receive(PATIENCE).await.unwrap(), ["at last"]);
}

#[tokio::test]
async fn what_came_before_a_failure_is_received_and_the_failure_comes_every_time_after_it() {
    let socket = socket(async |mut server| {
        server.send(Message::text("one")).await.unwrap();
        server.send(Message::text("two")).await.unwrap();
        // The connection ends without a closing handshake.
    })
    .await;
    let mut received = Vec::new();
    while received.len() < 2 {
        received.extend(socket.receive(PATIENCE).await.unwrap());
    }
    assert_eq!(received, ["one", "two"]);
    for _ in 0..2 {
        let broken = socket.receive(PATIENCE).await;
        assert!(matches!(broken, Err(EgressError::Interrupted { .. })), "{broken:?}");
    }
}
