//! The messages of osctrl, as it sends them.

use serde::Deserialize;
use serde_json::Value;

/// A page of `GET /nodes/{env}`.
#[derive(Debug, Deserialize)]
pub(super) struct NodesPage {
    pub(super) items: Vec<Node>,
    pub(super) total_items: usize,
    /// At least 1, even for an empty list.
    pub(super) total_pages: usize,
}

/// The part of a node that matters here.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Node {
    pub(super) id: u64,
    pub(super) uuid: String,
    #[serde(default)]
    pub(super) hostname: String,
    #[serde(default)]
    pub(super) localname: String,
    #[serde(default)]
    pub(super) hardware_serial: String,
    /// The time of its last check-in, up to a minute late; Go's zero time if it never has checked in.
    #[serde(default)]
    pub(super) last_seen: String,
}

/// `POST /queries/{env}`.
#[derive(Debug, Deserialize)]
pub(super) struct QueryCreated {
    pub(super) query_name: String,
}

/// `GET /queries/{env}/{name}`. A query that does not exist is all zeros.
#[derive(Debug, Clone, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "the server's own flags")]
pub(super) struct QueryShown {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) expected: usize,
    /// Answers with rows. Counted again when a node answers twice.
    pub(super) executions: usize,
    /// Answers with an error.
    pub(super) errors: usize,
    pub(super) active: bool,
    pub(super) completed: bool,
    pub(super) deleted: bool,
    pub(super) expired: bool,
    /// Since v0.5.4.
    pub(super) targets: Option<Vec<QueryTarget>>,
}

/// A selector of a query's nodes.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct QueryTarget {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) value: String,
}

/// A page of `GET /queries/{env}/results/{name}`.
#[derive(Debug, Deserialize)]
pub(super) struct ResultsPage {
    pub(super) items: Vec<ResultItem>,
    /// The number of all stored answers, whichever node they are from.
    pub(super) total_items: u64,
    /// 0 for an empty list.
    pub(super) total_pages: usize,
}

/// One node's whole answer.
#[derive(Debug, Deserialize)]
pub(super) struct ResultItem {
    pub(super) id: u64,
    /// The time of the stamp, which is before the answer can be read.
    pub(super) created_at: jiff::Timestamp,
    pub(super) uuid: String,
    pub(super) status: i64,
    /// JSON again: [`ResultData`].
    pub(super) data: String,
}

/// The content of an answer's `data`.
#[derive(Debug, Deserialize)]
pub(super) struct ResultData {
    /// Rows; old agents give `null` or an empty text for none.
    #[serde(default)]
    pub(super) result: Value,
    #[serde(default)]
    pub(super) message: Option<String>,
}

/// A page of `GET /queries/{env}/list/{target}`.
#[derive(Debug, Deserialize)]
pub(super) struct QueriesPage {
    pub(super) items: Vec<QueryListed>,
    pub(super) total_pages: usize,
}

/// The part of a listed query that matters here.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct QueryListed {
    /// Later queries have larger ones.
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) query: String,
    pub(super) executions: u64,
    pub(super) errors: u64,
}

/// `GET /users/me`.
#[derive(Debug, Deserialize)]
pub(super) struct Me {
    pub(super) username: String,
    #[serde(default)]
    pub(super) admin: bool,
    /// By the uuid of the environment.
    #[serde(default)]
    pub(super) permissions: std::collections::BTreeMap<String, Levels>,
}

/// The part of `GET /environments/{env}` that matters here. The rest may hold the secret that agents enrol with.
#[derive(Debug, Deserialize)]
pub(super) struct EnvironmentShown {
    pub(super) uuid: String,
}

/// The rights of a user in an environment.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Levels {
    #[serde(default)]
    pub(super) admin: bool,
}

/// `POST /login`. The token is a handle by the time it gets here.
#[derive(Debug, Deserialize)]
pub(super) struct LoggedIn {
    pub(super) token: Option<String>,
    #[serde(default)]
    pub(super) mfa_required: bool,
    #[serde(default)]
    pub(super) mfa_enrollment_required: bool,
}

/// An error body.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: String,
}
