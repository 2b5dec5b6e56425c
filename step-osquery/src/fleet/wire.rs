//! What Fleet sends, as it sends it.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::{Map, Value};

use crate::tally::{Row, text_row};

/// A page of `GET /hosts`.
#[derive(Debug, Deserialize)]
pub(super) struct HostsPage {
    #[serde(default)]
    pub(super) hosts: Vec<Host>,
    /// Newer servers stream this body after status 200: when reading the hosts fails midway, the list is cut and this key
    /// stands beside it.
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

/// A row without Fleet's columns.
pub(super) fn row(mut row: Map<String, Value>) -> Row {
    for column in INJECTED {
        row.shift_remove(column);
    }
    text_row(row)
}

/// Go leaves out or nulls what is empty.
fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}
