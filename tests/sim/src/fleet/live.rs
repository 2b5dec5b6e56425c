//! Campaigns, and the hosts that answer them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::state::{Campaign, State};
use crate::host::Behaviour;
use crate::osquery::Row;

/// How long a campaign that nobody listens to stays open.
const UNHEARD: Duration = Duration::from_mins(1);

/// What a host answered.
#[derive(Debug, Clone)]
pub(super) struct HostAnswer {
    pub(super) host: u64,
    pub(super) outcome: Result<Vec<Row>, String>,
}

/// Starts a campaign and returns its id. Answers wait until somebody listens.
pub(super) fn start(state: &Arc<State>, user: u64, sql: &str, hosts: Vec<u64>) -> u64 {
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut inner = state.lock();
    let id = 4242 + inner.campaigns.len() as u64;
    inner.campaigns.push(Campaign {
        id,
        sql: sql.to_owned(),
        hosts: hosts.clone(),
        open: true,
        results: 0,
    });
    inner.streams.insert(id, (user, receiver));
    drop(inner);
    let sql: Arc<str> = sql.into();
    for host in hosts {
        tokio::spawn(answer_later(state.clone(), host, sql.clone(), sender.clone()));
    }
    let state = state.clone();
    tokio::spawn(async move {
        tokio::time::sleep(UNHEARD).await;
        let unheard = state.lock().streams.contains_key(&id);
        if unheard {
            state.close(id);
        }
    });
    id
}

async fn answer_later(state: Arc<State>, host: u64, sql: Arc<str>, to: mpsc::UnboundedSender<HostAnswer>) {
    let Some(asked) = state.hosts.get(host) else { return };
    let described = &asked.enrolled.host;
    let (behaviour, latency) = (described.behaviour.clone(), described.latency_ms);
    if behaviour == Behaviour::Silent || !asked.is_online() {
        return;
    }
    let latency = Duration::from_millis(latency);
    // A host stops when its campaign is closed.
    tokio::select! {
        () = tokio::time::sleep(latency) => {}
        () = to.closed() => return,
    }
    let outcome = state.hosts.answer(asked, &sql).await;
    let answer = HostAnswer { host, outcome };
    if behaviour == Behaviour::Duplicate {
        let _ = to.send(answer.clone());
    }
    let _ = to.send(answer);
}
