//! The agents: they fetch queries, run them and write answers.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::state::{Answer, State, uuid};
use crate::host::Behaviour;
use crate::osquery::Row;

/// The uuid of an agent that answers what it was not asked.
const STRANGER: &str = "FFFFFFFF-0000-4000-8000-00000000DEAD";

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
            write(&state, &name, STRANGER, &Ok(vec![row]), false).await;
        });
    }
}

async fn answer(state: Arc<State>, name: String, sql: String, node: u64) {
    let Some(enrolled) = state.hosts.get(node) else { return };
    if enrolled.host.behaviour == Behaviour::Silent || !enrolled.host.online {
        return;
    }
    tokio::time::sleep(Duration::from_millis(enrolled.host.latency_ms)).await;
    let enforces_flags = state.is_at_least(5, 5);
    let deliverable = state
        .change(&name, |query| {
            let flagged = enforces_flags && (query.deleted || query.completed);
            let late = enforces_flags && query.expiration.is_some_and(|end| end < Timestamp::now());
            query.active && !query.expired && !flagged && !late
        })
        .unwrap_or(false);
    if !deliverable {
        return;
    }
    let outcome = state.hosts.answer(node, &sql).await;
    // An agent fetches the query again until its answer was processed.
    if enrolled.host.behaviour == Behaviour::Duplicate {
        write(&state, &name, &uuid(enrolled), &outcome, false).await;
    }
    write(&state, &name, &uuid(enrolled), &outcome, true).await;
}

/// Counts an answer, and stores it somewhat later, as osctrl-tls does.
async fn write(state: &Arc<State>, name: &str, uuid: &str, outcome: &Result<Vec<Row>, String>, last: bool) {
    let sets_completed = state.is_at_least(5, 4);
    state.change(name, |query| {
        match outcome {
            Ok(_) => query.executions += 1,
            Err(_) => query.errors += 1,
        }
        if last {
            query.pending = query.pending.saturating_sub(1);
            if query.pending == 0 && sets_completed {
                (query.completed, query.active) = (true, false);
            }
        }
    });
    if !state.osctrl.stores_answers || (outcome.is_err() && state.osctrl.drops_errors) {
        return;
    }
    // The moment is taken before the row can be read.
    let created_at = Timestamp::now();
    tokio::time::sleep(Duration::from_millis(state.osctrl.rows_late_ms)).await;
    let (rows, status, message) = match outcome {
        Ok(rows) => (rows.as_slice(), 0, ""),
        Err(message) => (&[][..], 1, message.as_str()),
    };
    let data = json!({"name": name, "result": rows, "status": status, "message": message}).to_string();
    for _ in 0..if state.osctrl.stores_twice { 2 } else { 1 } {
        let id = {
            let mut inner = state.lock();
            inner.last_answer += 1;
            900 + inner.last_answer
        };
        let answer = Answer {
            id,
            created_at,
            uuid: uuid.to_owned(),
            status,
            data: data.clone(),
        };
        state.change(name, |query| query.answers.push(answer));
    }
}
