//! What goes wrong on the way between a client and a server.

use serde::{Deserialize, Serialize};

/// Something that goes wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Concerns requests whose path ends in this, without the query.
    pub path: String,
    /// Concerns, of these, the ones whose query has this in it, as in `page=1&`; all, if not given.
    #[serde(default)]
    pub query: Option<String>,
    /// How often; always, if not given.
    #[serde(default)]
    pub times: Option<usize>,
    /// What happens.
    pub what: What,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The answer has this status and the server's body for it, if there is one. For a websocket, it is refused so.
    Status(u16),
    /// 429 with `Retry-After`, in seconds.
    RetryAfter(u64),
    /// A web page with status 200, as a proxy's login page.
    Html,
    /// A redirect to this address.
    Redirect(String),
    /// A body that is JSON and means nothing.
    Nonsense,
    /// The answer's body ends in the middle.
    Truncate,
    /// The answer comes so many milliseconds late.
    Delay(u64),
    /// The second half of the answer's body comes so many milliseconds after the first.
    SlowBody(u64),
    /// The connection is reset instead of an answer.
    Reset,
    /// Fleet: a list of hosts ends early, with `error` beside it and status 200.
    PartialHosts,
    /// Fleet: these hosts are deleted just before the answer.
    DeleteHosts(Vec<u64>),
    /// Fleet: these hosts are moved to this team, or out of all, just before the answer.
    MoveHosts(Vec<u64>, Option<u64>),
    /// Fleet: the websocket breaks after so many results.
    DropSocket(usize),
    /// Fleet: after so many results comes an error frame with the text, and the server closes.
    ErrorFrame(usize, String),
    /// Fleet: after so many results comes a frame that is not JSON.
    GarbageFrame(usize),
    /// Fleet: after so many results comes a frame of a type that no client knows.
    UnknownFrame(usize),
    /// Fleet: before the first result comes one of a host that was not asked.
    ForeignResult,
}

impl Fault {
    /// Whether it concerns this request, and there is some of it left.
    pub(crate) fn concerns(&self, path: &str, query: &str) -> bool {
        let of_query = self.query.as_ref().is_none_or(|part| query.contains(part.as_str()));
        path.ends_with(&self.path) && of_query && self.times != Some(0)
    }
}

impl What {
    /// Whether it happens to any answer, rather than inside one.
    pub(crate) fn concerns_any_answer(&self, websocket: bool) -> bool {
        match self {
            Self::Status(_) | Self::Delay(_) | Self::Reset => true,
            Self::RetryAfter(_)
            | Self::Html
            | Self::Redirect(_)
            | Self::Nonsense
            | Self::Truncate
            | Self::SlowBody(_) => !websocket,
            _ => false,
        }
    }
}
