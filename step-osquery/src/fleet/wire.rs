//! The messages of Fleet, as it sends them.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::osquery::{Row, text_row};

/// A page of `GET /hosts`.
#[derive(Debug, Deserialize)]
pub(super) struct HostsPage<T> {
    #[serde(default = "Vec::new")]
    pub(super) hosts: Vec<T>,
    /// Newer servers stream this body after status 200: when reading the hosts fails midway, the list is cut and this
    /// key stands beside it.
    pub(super) error: Option<Value>,
}

/// `GET /hosts/count`.
#[derive(Debug, Deserialize)]
pub(super) struct HostsCount {
    pub(super) count: usize,
}

/// The part of a host that matters here. While a host enrols, any of its texts can be empty.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Host {
    pub(super) id: u64,
    #[serde(deserialize_with = "nullable")]
    pub(super) hostname: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) uuid: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) hardware_serial: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) display_name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) computer_name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) platform: String,
    /// `online` or `offline`.
    #[serde(deserialize_with = "nullable")]
    pub(super) status: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) seen_time: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) os_version: String,
    pub(super) team_id: Option<u64>,
}

/// `GET /hosts/{id}`.
#[derive(Debug, Deserialize)]
pub(super) struct HostRead {
    pub(super) host: Box<RawValue>,
}

/// `GET /me`.
#[derive(Debug, Deserialize)]
pub(super) struct Me {
    pub(super) user: User,
}

/// The part of a user that matters here.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) email: String,
    pub(super) global_role: Option<String>,
    #[serde(default)]
    pub(super) api_only: bool,
    #[serde(default)]
    pub(super) teams: Vec<TeamRole>,
}

/// A user's role in a team.
#[derive(Debug, Deserialize)]
pub(super) struct TeamRole {
    pub(super) id: u64,
    pub(super) role: String,
}

/// `GET /version`.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) version: String,
}

/// A page of `GET /queries`, which newer servers call reports.
#[derive(Debug, Deserialize)]
pub(super) struct QueriesPage {
    /// The newer name comes beside the older one; this is the older.
    pub(super) queries: Option<Vec<SavedQuery>>,
    pub(super) reports: Option<Vec<SavedQuery>>,
    pub(super) meta: Option<PageMeta>,
}

/// The position among the pages. Since late 2024.
#[derive(Debug, Deserialize)]
pub(super) struct PageMeta {
    pub(super) has_next_results: bool,
}

/// The part of a saved query that matters here.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SavedQuery {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) query: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) logging: String,
    #[serde(default)]
    pub(super) discard_data: bool,
    /// The interval at which it runs, in seconds; with 0, it never does.
    #[serde(default)]
    pub(super) interval: u64,
    #[serde(default, deserialize_with = "nullable")]
    stats: QueryStats,
}

/// The part of a saved query's statistics that matters here.
#[derive(Debug, Clone, Default, Deserialize)]
struct QueryStats {
    /// The runs on hosts that Fleet has heard of; null before the first.
    #[serde(default)]
    total_executions: Option<Number>,
}

impl SavedQuery {
    /// Returns the number of runs on hosts, if Fleet gives it.
    pub(super) fn runs(&self) -> Option<u64> {
        self.stats.total_executions.as_ref()?.as_u64()
    }
}

/// `GET /queries/{id}/report`.
#[derive(Debug, Deserialize)]
pub(super) struct Report {
    #[serde(default)]
    pub(super) results: Option<Vec<ReportRow>>,
    #[serde(default)]
    pub(super) report_clipped: bool,
}

/// One row of a report.
#[derive(Debug, Deserialize)]
pub(super) struct ReportRow {
    pub(super) host_id: u64,
    /// The display name.
    #[serde(default, deserialize_with = "nullable")]
    pub(super) host_name: String,
    /// The time at which Fleet received the host's rows, by its own clock.
    pub(super) last_fetched: jiff::Timestamp,
    pub(super) columns: Map<String, Value>,
}

/// `POST …/run`.
#[derive(Debug, Deserialize)]
pub(super) struct CampaignCreated {
    pub(super) campaign: Campaign,
}

/// A campaign.
#[derive(Debug, Deserialize)]
pub(super) struct Campaign {
    pub(super) id: u64,
}

/// `POST /login`. The token is a handle by the time it gets here.
#[derive(Debug, Deserialize)]
pub(super) struct LoggedIn {
    pub(super) token: Option<String>,
}

/// An error body. The keys `errors` and `uuid` can be absent, and newer servers add keys.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) message: String,
    #[serde(default)]
    pub(super) errors: Vec<ErrorReason>,
}

/// One reason in an error body.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorReason {
    #[serde(default)]
    pub(super) reason: String,
}

/// A websocket frame.
#[derive(Debug, Deserialize)]
pub(super) struct Frame {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) data: Value,
}

/// The data of a `result` frame: one host's whole answer.
#[derive(Debug, Deserialize)]
pub(super) struct HostResult {
    pub(super) host: ResultHost,
    #[serde(default)]
    pub(super) rows: Option<Vec<Map<String, Value>>>,
    /// Present, even empty, when the query failed on the host: old agents give no message.
    pub(super) error: Option<String>,
}

/// The host of a `result` frame; old servers send more of it.
#[derive(Debug, Deserialize)]
pub(super) struct ResultHost {
    pub(super) id: u64,
}

/// `POST /hosts/{id}/query`: every outcome comes with status 200.
#[derive(Debug, Deserialize)]
pub(super) struct HostQuery {
    #[serde(default)]
    pub(super) rows: Option<Vec<Map<String, Value>>>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) status: String,
    pub(super) error: Option<String>,
}

/// Columns that Fleet adds to every row it streams.
const INJECTED: [&str; 2] = ["host_hostname", "host_display_name"];

/// Returns a row without the columns that Fleet adds.
pub(super) fn row(mut row: Map<String, Value>) -> Row {
    for column in INJECTED {
        row.shift_remove(column);
    }
    text_row(row)
}

/// Reads a value that Go leaves out, or sends as null, when it is empty.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
