//! What one plugin call said to its server and what it heard, as the plugin saw it.
//!
//! A transcript is taken at the border of the sandbox: requests as they are before handles become values, answers as they are
//! after session tokens were taken out. Before it is kept, every handle is replaced by the secret's name and every text is
//! searched for values, so it can be given away. A call that is answered from its transcript needs no network, no secret and
//! no waiting.

use serde::{Deserialize, Serialize};

use crate::net::egress;
use crate::secrets::Masker;

mod error;
mod player;
mod tape;
mod virtual_time;

pub(crate) use self::error::WireError;
pub(crate) use self::player::{PlayedSocket, Player};
pub(crate) use self::tape::{Room, SocketTape, Tape};
pub(crate) use self::virtual_time::Stuck;

/// What one plugin call said and heard. Times are microseconds since the call began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Transcript {
    /// What the plugin asked of the host, in the order in which it did.
    pub entries: Vec<Entry>,
    /// What the clocks showed, each time that the plugin looked.
    pub clock: ClockReadings,
    /// What the call was allowed, if the plugin asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Allowed>,
    /// When the plugin was asked to stop, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_asked_us: Option<u64>,
    /// Whether there was more than a record keeps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// Something that a plugin asked of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Entry {
    /// A request.
    Http(Exchange),
    /// A websocket.
    Websocket(Conversation),
    /// To wait.
    Sleep(Sleep),
}

/// A request and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Exchange {
    /// When it was made.
    pub began_us: u64,
    /// When the plugin had its answer; none if it did not wait for one.
    pub ended_us: Option<u64>,
    /// The method.
    pub method: String,
    /// The path and query.
    pub path: String,
    /// The header fields that the plugin gave.
    pub headers: Vec<Field>,
    /// What it carried.
    pub body: Option<RecordedRequestBody>,
    /// How long it was to take at most, in milliseconds.
    pub timeout_ms: u64,
    /// Whether the host was free to send it again.
    pub repeatable: bool,
    /// Where in the answer session tokens were expected, as JSON pointers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capture: Vec<String>,
    /// What came back.
    pub answer: Option<Answer>,
}

/// A header field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What came back for a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Answer {
    /// A response, whatever its status.
    Response(RecordedResponse),
    /// Nothing that could be used.
    Failure(NetworkFailure),
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordedResponse {
    /// The status.
    pub status: u16,
    /// The header fields, but for cookies.
    pub headers: Vec<Field>,
    /// The body.
    pub body: RecordedBody,
}

/// The content of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RecordedBody {
    /// Text.
    Text(String),
    /// What is no UTF-8.
    Base64(String),
    /// More than a record keeps: how many bytes there were.
    Omitted(u64),
}

/// What a request carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RecordedRequestBody {
    /// A JSON document.
    Json(String),
    /// The fields of a form.
    Form(Vec<Field>),
    /// More than a record keeps: how many bytes there were.
    Omitted(u64),
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NetworkFailure {
    /// What kind of failure.
    pub kind: NetworkFailureKind,
    /// What happened.
    pub message: String,
}

/// What went wrong before there was an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[allow(missing_docs, reason = "documented, one by one, in the contract")]
pub enum NetworkFailureKind {
    InvalidRequest,
    Denied,
    Resolve,
    Connect,
    Tls,
    Timeout,
    Interrupted,
    TooLarge,
}

/// A websocket, from its handshake on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Conversation {
    /// When it was to be opened.
    pub began_us: u64,
    /// When that had succeeded or failed; none if the plugin did not wait for it.
    pub ended_us: Option<u64>,
    /// The path and query.
    pub path: String,
    /// The header fields that the plugin gave.
    pub headers: Vec<Field>,
    /// What came of the handshake.
    pub handshake: Option<Handshake>,
    /// What was said.
    pub frames: Vec<Frame>,
}

/// What came of a websocket's handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Handshake {
    /// It is open.
    Open,
    /// It was answered with this status instead.
    Rejected(u16),
    /// There was no usable answer.
    Failure(NetworkFailure),
}

/// Something that happened on a websocket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Frame {
    /// When.
    pub at_us: u64,
    /// What.
    pub event: FrameEvent,
}

/// What happened on a websocket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FrameEvent {
    /// The plugin sent this.
    Sent(RecordedBody),
    /// The plugin could not send something.
    NotSent(NetworkFailure),
    /// The plugin received this.
    Received(RecordedBody),
    /// The plugin was told that the server had closed it.
    Ended,
    /// The plugin was told that it is broken.
    Broken(NetworkFailure),
    /// The plugin closed it.
    Closed,
}

/// A wish to wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sleep {
    /// When it began.
    pub began_us: u64,
    /// When it was over; none if the plugin went on before.
    pub ended_us: Option<u64>,
    /// For how long, in milliseconds.
    pub for_ms: u64,
}

/// What a call may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// When the host ends it, in milliseconds since it began.
    pub deadline_ms: u64,
    /// The most bytes of an answer's body, or of a frame.
    pub body: u64,
    /// The most bytes of the plugin's memories and tables.
    pub memory: u64,
}

/// What the clocks showed, each time that a plugin looked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClockReadings {
    /// The clock on the wall, in milliseconds since 1970.
    pub now_ms: Vec<u64>,
    /// The one that only goes forward, in milliseconds.
    pub monotonic_ms: Vec<u64>,
}

impl RecordedRequestBody {
    /// What a request carries, if that is not more than so many bytes.
    fn of(body: &egress::RequestBody, most: usize) -> Self {
        let body = match body {
            egress::RequestBody::Json(json) => Self::Json(json.clone()),
            egress::RequestBody::Form(fields) => Self::Form(Field::all(fields)),
        };
        match body.size() {
            size if size > most => Self::Omitted(size as u64),
            _ => body,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Json(json) => json.len(),
            Self::Form(fields) => Field::size(fields),
            Self::Omitted(_) => 0,
        }
    }

    /// The same without secrets.
    fn masked(&self, masker: &Masker) -> Self {
        match self {
            Self::Json(json) => Self::Json(masker.mask(json)),
            Self::Form(fields) => Self::Form(Field::masked(fields, masker)),
            Self::Omitted(bytes) => Self::Omitted(*bytes),
        }
    }
}

impl Field {
    fn all(pairs: &[(String, String)]) -> Vec<Self> {
        let field = |(name, value): &(String, String)| Self {
            name: name.clone(),
            value: value.clone(),
        };
        pairs.iter().map(field).collect()
    }

    fn size(fields: &[Self]) -> usize {
        fields.iter().map(|field| field.name.len() + field.value.len()).sum()
    }

    fn masked(fields: &[Self], masker: &Masker) -> Vec<Self> {
        let masked = |field: &Self| Self {
            name: masker.mask(&field.name),
            value: masker.mask(&field.value),
        };
        fields.iter().map(masked).collect()
    }
}

impl RecordedBody {
    /// A body as the plugin saw it.
    fn of(bytes: &[u8]) -> Self {
        use base64::Engine as _;
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(base64::engine::general_purpose::STANDARD.encode(bytes)),
        }
    }

    /// The bytes, if they were kept.
    fn bytes(&self) -> Result<Vec<u8>, NotKept> {
        use base64::Engine as _;
        match self {
            Self::Text(text) => Ok(text.as_bytes().to_vec()),
            Self::Base64(text) => base64::engine::general_purpose::STANDARD
                .decode(text)
                .map_err(|_| NotKept("is not base64".into())),
            Self::Omitted(bytes) => Err(NotKept(format!("was not kept: it has {bytes} bytes"))),
        }
    }
}

/// Why there is nothing to replay.
struct NotKept(String);
