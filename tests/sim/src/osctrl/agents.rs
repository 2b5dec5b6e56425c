//! The agents: they fetch queries, run them and write answers.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::query::Answer;
use super::state::State;
use crate::host::Behaviour;
use crate::osquery::Row;

/// The uuid of an agent that answers what it was not asked.
const STRANGER: &str = "FFFFFFFF-0000-4000-8000-00000000DEAD";

/// What an agent writes.
#[derive(Debug, Clone)]
pub(super) struct Written {
    /// The agent's uuid.
    pub(super) uuid: String,
    /// The node that need not be sent the query again.
    pub(super) settles: Option<u64>,
    pub(super) status: i32,
    /// What the server stores of it.
    pub(super) data: String,
}

impl Written {
    pub(super) fn new(name: &str, uuid: String, settles: Option<u64>, outcome: &Result<Vec<Row>, String>) -> Self {
        let (rows, status, message) = match outcome {
            Ok(rows) => (rows.as_slice(), 0, ""),
            Err(message) => (&[][..], 1, message.as_str()),
        };
        Self {
            uuid,
            settles,
            status,
            data: json!({"name": name, "result": rows, "status": status, "message": message}).to_string(),
        }
    }
}

/// Lets the nodes of a query answer it.
pub(super) fn deliver(state: &Arc<State>, name: &str, sql: &str, nodes: &[u64]) {
    let mut seen = std::collections::HashSet::new();
    for node in nodes.iter().filter(|node| seen.insert(**node)) {
        tokio::spawn(answer(state.clone(), name.to_owned(), sql.to_owned(), *node));
    }
    if state.osctrl.foreign_answers {
        let (state, name) = (state.clone(), name.to_owned());
        tokio::spawn(async move {
            let row: Row = [("user".to_owned(), json!("stranger"))].into_iter().collect();
            write(
                &state,
                &name,
                &Written::new(&name, STRANGER.into(), None, &Ok(vec![row])),
            )
            .await;
        });
    }
}

async fn answer(state: Arc<State>, name: String, sql: String, id: u64) {
    let Some(node) = state.nodes.get(id) else { return };
    if node.enrolled.host.behaviour == Behaviour::Silent || !node.enrolled.host.online {
        return;
    }
    tokio::time::sleep(Duration::from_millis(node.enrolled.host.latency_ms)).await;
    let enforces_flags = state.is_at_least(5, 5);
    let now = state.front.clock.now();
    let deliverable = state
        .change(&name, |query| {
            let flagged = enforces_flags && (query.deleted || query.completed);
            let late = enforces_flags && query.expiration.is_some_and(|end| end < now);
            query.active && !query.expired && !flagged && !late
        })
        .unwrap_or(false);
    if !deliverable {
        return;
    }
    let outcome = state.nodes.run(node.clone(), &sql).await;
    let written = Written::new(&name, node.uuid(), Some(id), &outcome);
    // An agent fetches the query again until its answer was processed.
    if node.enrolled.host.behaviour == Behaviour::Duplicate {
        let settles = None;
        write(
            &state,
            &name,
            &Written {
                settles,
                ..written.clone()
            },
        )
        .await;
    }
    write(&state, &name, &written).await;
}

/// Counts an answer, and stores it somewhat later, as osctrl-tls does.
async fn write(state: &State, name: &str, written: &Written) {
    let rows = count(state, name, written, state.front.clock.now());
    if !rows.is_empty() {
        tokio::time::sleep(Duration::from_millis(state.osctrl.rows_late_ms)).await;
        state.change(name, |query| query.answers.extend(rows));
    }
}

/// Counts an answer. Returns what there is to store of it: id and moment are taken before it can be read.
pub(super) fn count(state: &State, name: &str, written: &Written, now: Timestamp) -> Vec<Answer> {
    let sets_completed = state.is_at_least(5, 4);
    let mut inner = state.lock();
    let Some(query) = inner.queries.iter_mut().find(|query| query.name == name) else {
        return Vec::new();
    };
    query.count(written.status, written.settles, sets_completed);
    let dropped = written.status != 0 && state.osctrl.drops_errors;
    let copies = match (inner.stores_answers && !dropped, state.osctrl.stores_twice) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    };
    let rows = (0..copies).map(|copy| Answer {
        id: inner.next_answer(),
        // Each copy is stamped when it is made.
        created_at: now.saturating_add(SignedDuration::from_micros(copy)).unwrap_or(now),
        uuid: written.uuid.clone(),
        status: written.status,
        data: written.data.clone(),
    });
    let rows = rows.collect();
    drop(inner);
    state.changed.notify_waiters();
    rows
}
