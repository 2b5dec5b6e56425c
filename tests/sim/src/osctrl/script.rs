//! What a script lets happen to a running server: queries that others make, answers that come when it says so, nodes that
//! come and go, and time.
//!
//! A method that names a query or a node that the server does not have panics: the script is wrong then.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::agents::{self, Written};
use super::query::Query;
use super::registry::Node;
use super::server::OsctrlServer;
use super::state::Asked;
use crate::host::Host;
use crate::osquery::Row;

/// Who makes the queries of a script.
const HUMAN: &str = "analyst";

/// A stored answer that is not what the protocol says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oddity {
    /// `result` is null, as old agents send it for no rows.
    Null,
    /// `result` is an empty text, as other old agents do.
    EmptyText,
    /// `data` is this text, whether it is JSON or not.
    Data(String),
}

/// Queries of others.
impl OsctrlServer {
    /// Makes a query as somebody in the web pages does. No node answers it by itself. Returns its name.
    pub fn start_query(&self, sql: &str, nodes: &[u64], hidden: bool) -> String {
        let uuids = nodes.iter().map(|node| self.node(*node).uuid());
        self.state.add_query(Asked {
            sql: sql.to_owned(),
            creator: HUMAN.to_owned(),
            request: Value::Null,
            nodes: nodes.to_vec(),
            targets: uuids.map(|uuid| ("uuid".to_owned(), uuid)).collect(),
            hidden,
            hours: 24,
            scripted: true,
        })
    }

    /// Expires a query.
    pub fn expire_query(&self, name: &str) {
        self.change(name, Query::expire);
    }

    /// Deletes a query: it is marked, most lists leave it out, and its answers can still be read.
    pub fn delete_query(&self, name: &str) {
        self.change(name, Query::delete);
    }

    /// Removes a query and its answers from the database.
    pub fn purge_query(&self, name: &str) {
        self.query(name);
        self.state.lock().queries.retain(|query| query.name != name);
        self.state.changed.notify_waiters();
    }
}

/// Answers. Any node can answer any query, as often as a script wants, whatever has become of the query.
impl OsctrlServer {
    /// Lets a node run the statement and answer. The answer can be read at once.
    pub async fn answer(&self, name: &str, node: u64) {
        self.answer_at_once(name, &[node]).await;
    }

    /// Lets several nodes answer in the same moment: their answers have the same `created_at`.
    pub async fn answer_at_once(&self, name: &str, nodes: &[u64]) {
        let mut written = Vec::new();
        for node in nodes {
            written.push(self.run(name, *node).await);
        }
        let now = self.now();
        for written in &written {
            self.write(name, written, now);
        }
    }

    /// Lets a node answer. The answer is counted and stamped, and can be read after [`Self::store_pending`].
    pub async fn answer_late(&self, name: &str, node: u64) {
        let written = self.run(name, node).await;
        let rows = agents::count(&self.state, name, &written, self.now());
        self.change(name, |query| query.late.extend(rows));
    }

    /// Makes readable what was answered late.
    pub fn store_pending(&self) {
        for query in &mut self.state.lock().queries {
            query.answers.append(&mut query.late);
        }
        self.state.changed.notify_waiters();
    }

    /// Lets a node fail with a message of osquery.
    pub fn answer_error(&self, name: &str, node: u64, message: &str) {
        self.query(name);
        let failed = Err(message.to_owned());
        let written = Written::new(name, self.node(node).uuid(), Some(node), &failed);
        self.write(name, &written, self.now());
    }

    /// Lets a node answer in a way that the protocol does not know.
    pub fn answer_oddly(&self, name: &str, node: u64, oddity: &Oddity) {
        self.query(name);
        let odd = |result: Value| json!({"name": name, "result": result, "status": 0, "message": ""}).to_string();
        let data = match oddity {
            Oddity::Null => odd(Value::Null),
            Oddity::EmptyText => odd(json!("")),
            Oddity::Data(text) => text.clone(),
        };
        let written = Written::new(name, self.node(node).uuid(), Some(node), &Ok(Vec::new()));
        self.write(name, &Written { data, ..written }, self.now());
    }

    /// Lets an agent answer that need not be a node of the environment. It is counted like any other.
    pub fn answer_foreign(&self, name: &str, uuid: &str, rows: Vec<Row>) {
        self.query(name);
        let written = Written::new(name, uuid.to_uppercase(), None, &Ok(rows));
        self.write(name, &written, self.now());
    }

    /// Whether answers are stored where the API reads them, from now on. They are counted in any case.
    pub fn set_stores_answers(&self, stores: bool) {
        self.state.lock().stores_answers = stores;
    }

    async fn run(&self, name: &str, node: u64) -> Written {
        let (query, node) = (self.query(name), self.node(node));
        let outcome = self.state.nodes.run(node.clone(), &query.sql).await;
        Written::new(name, node.uuid(), Some(node.enrolled.id), &outcome)
    }

    fn write(&self, name: &str, written: &Written, now: Timestamp) {
        let rows = agents::count(&self.state, name, written, now);
        self.change(name, |query| query.answers.extend(rows));
    }

    fn query(&self, name: &str) -> Query {
        let inner = self.state.lock();
        let found = inner.queries.iter().find(|query| query.name == name);
        found.unwrap_or_else(|| panic!("there is no query {name}")).clone()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Query)) {
        let changed = self.state.change(name, change);
        changed.unwrap_or_else(|| panic!("there is no query {name}"));
    }
}

/// Nodes.
impl OsctrlServer {
    /// Enrols what a host describes. Returns the id of the first node; with `count`, the others follow.
    pub fn enrol(&self, host: &Host) -> u64 {
        let enrolled = self.state.nodes.enrol(host, self.now());
        enrolled.unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    /// Removes a node. Its answers stay.
    pub fn remove_node(&self, node: u64) {
        assert!(self.state.nodes.remove(node), "there is no node {node}");
    }

    /// Gives a node another hostname, or none. Its localname stays.
    pub fn set_hostname(&self, node: u64, hostname: &str) {
        self.change_node(node, |node| hostname.clone_into(&mut node.enrolled.facts.hostname));
    }

    /// Replaces the rows of a table of a node.
    pub fn set_table(&self, node: u64, table: &str, rows: Vec<Row>) {
        assert!(crate::osquery::has_table(table), "there is no table `{table}`");
        self.change_node(node, |node| {
            node.enrolled.facts.tables.insert(table.to_owned(), rows);
        });
    }

    fn node(&self, id: u64) -> Arc<Node> {
        let node = self.state.nodes.get(id);
        node.unwrap_or_else(|| panic!("there is no node {id}"))
    }

    fn change_node(&self, id: u64, change: impl FnOnce(&mut Node)) {
        assert!(self.state.nodes.change(id, change), "there is no node {id}");
    }
}

/// Time.
impl OsctrlServer {
    /// What the server's clock shows.
    pub fn now(&self) -> Timestamp {
        self.state.front.clock.now()
    }

    /// Moves the server's clock on, or back.
    pub fn advance_clock(&self, seconds: i64) {
        self.state.front.clock.advance(seconds);
    }
}
