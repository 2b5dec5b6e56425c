//! The websocket on which a campaign's answers arrive.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::live::HostAnswer;
use super::state::State;
use crate::fault::What;

/// The path, as faults name it.
pub(super) const PATH: &str = "/results/websocket";

pub(super) async fn results(Shared(state): Shared<Arc<State>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| serve(state, socket))
}

async fn serve(state: Arc<State>, mut socket: WebSocket) {
    let Some(auth) = next(&mut socket).await.filter(|frame| frame["type"] == "auth") else {
        // A first frame of another kind ends the connection without a word.
        return;
    };
    let token = auth["data"]["token"].as_str().unwrap_or_default().to_owned();
    let user = state.lock().tokens.get(&token).copied();
    let Some(user) = user else {
        return fail(&mut socket, "unauthorized").await;
    };
    let Some(select) = next(&mut socket).await else { return };
    if select["type"] != "select_campaign" {
        return fail(&mut socket, "expected select_campaign").await;
    }
    let Some(id) = select["data"]["campaign_id"].as_u64() else {
        return fail(&mut socket, "error reading select_campaign").await;
    };
    let found = state.lock().streams.remove(&id);
    let Some((owner, answers)) = found else {
        return fail(&mut socket, &format!("cannot find campaign for ID {id}")).await;
    };
    if owner != user {
        state.close(id);
        return fail(&mut socket, "forbidden").await;
    }
    stream(&state, &mut socket, id, answers).await;
    // Closing the socket is what ends a campaign.
    state.close(id);
}

async fn stream(state: &Arc<State>, socket: &mut WebSocket, id: u64, mut answers: mpsc::UnboundedReceiver<HostAnswer>) {
    let mut campaign = None;
    state.campaign(id, |found| campaign = Some(found.clone()));
    let Some(campaign) = campaign else { return };
    let now = state.now();
    let hosts: Vec<_> = campaign.hosts.iter().filter_map(|id| state.hosts.get(*id)).collect();
    let online = hosts.iter().filter(|host| host.is_online()).count();
    let missing = hosts.iter().filter(|host| host.is_missing(now)).count();
    let totals =
        json!({"count": hosts.len(), "online": online, "offline": hosts.len() - online, "missing_in_action": missing});
    if send(socket, "totals", totals).await.is_err() {
        return;
    }
    let mut fault = state.front.fault(PATH, "", |_| true);
    if fault == Some(What::ForeignResult) {
        let stranger = HostAnswer {
            host: 1,
            outcome: Ok(vec![
                json!({"user": "stranger"}).as_object().cloned().unwrap_or_default(),
            ]),
        };
        if send(socket, "result", result(state, id, stranger)).await.is_err() {
            return;
        }
    }
    let mut ticks = tokio::time::interval(Duration::from_millis(state.fleet.status_interval_ms));
    let (mut sent, mut last, mut finished) = (0, None, false);
    loop {
        match &fault {
            Some(What::DropSocket(after)) if sent >= *after => return,
            Some(What::ErrorFrame(after, message)) if sent >= *after => return fail(socket, message).await,
            Some(What::UnknownFrame(after)) if sent >= *after => {
                fault = None;
                if send(socket, "weather", json!({"sky": "blue"})).await.is_err() {
                    return;
                }
            }
            Some(What::GarbageFrame(after)) if sent >= *after => {
                let _ = socket.send(Message::text("{\"type\":\"result\",\"data\":")).await;
                return;
            }
            _ => {}
        }
        tokio::select! {
            // Answers that are there already come before the tick.
            biased;
            Some(answer) = answers.recv() => {
                sent += 1;
                state.campaign(id, |campaign| campaign.results += 1);
                if send(socket, "result", result(state, id, answer)).await.is_err() {
                    return;
                }
            }
            _ = ticks.tick() => {
                // Sticky, and early when nobody is online, as in Fleet.
                finished |= sent >= online;
                let status = json!({"expected_results": online, "actual_results": sent, "status": if finished { "finished" } else { "pending" }});
                if last.as_ref() != Some(&status) && send(socket, "status", status.clone()).await.is_err() {
                    return;
                }
                last = Some(status);
            }
            frame = socket.recv() => match frame {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            }
        }
    }
}

/// The data of a result frame. Rows carry two columns that the host did not send.
fn result(state: &State, campaign: u64, answer: HostAnswer) -> Value {
    let (hostname, name) = state
        .hosts
        .get(answer.host)
        .map_or(("stranger".to_owned(), "stranger".to_owned()), |host| {
            (host.enrolled.facts.hostname.clone(), host.display_name())
        });
    let mut data = json!({
        "distributed_query_execution_id": campaign,
        "host": {"id": answer.host, "hostname": hostname, "display_name": name},
        "rows": [],
        "stats": null,
    });
    match answer.outcome {
        Ok(mut rows) => {
            for row in &mut rows {
                row.insert("host_hostname".into(), json!(hostname));
                row.insert("host_display_name".into(), json!(name));
            }
            data["rows"] = json!(rows);
        }
        Err(message) => data["error"] = json!(message),
    }
    data
}

async fn send(socket: &mut WebSocket, kind: &str, data: Value) -> Result<(), axum::Error> {
    socket
        .send(Message::text(json!({"type": kind, "data": data}).to_string()))
        .await
}

/// An error frame, after which the server closes.
async fn fail(socket: &mut WebSocket, message: &str) {
    let _ = send(socket, "error", json!(message)).await;
}

async fn next(socket: &mut WebSocket) -> Option<Value> {
    loop {
        match socket.recv().await?.ok()? {
            Message::Text(text) => return serde_json::from_str(&text).ok(),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}
