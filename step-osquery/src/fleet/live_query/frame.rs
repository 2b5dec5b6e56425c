//! The frames that a campaign sends.

use crate::contract::{Failure, FailureKind};
use crate::fleet::api::HostId;
use crate::fleet::wire::{Frame, HostResult, row};
use crate::live_query::Answer;

/// The meaning of a frame.
pub(super) enum Message {
    /// The answer of a host.
    Answer(HostId, Answer),
    /// A frame that answers make unnecessary.
    Ignored,
    /// A frame of a type that Fleet's protocol does not have.
    Unknown(String),
}

/// Parses a frame. A frame that ends the query is a failure.
pub(super) fn parse(frame: &str) -> Result<Message, Failure> {
    // `o` and `h` belong to SockJS, which serves this route.
    if matches!(frame, "o" | "h") {
        return Ok(Message::Ignored);
    }
    let unreadable = |_| {
        Failure::new(
            FailureKind::Protocol,
            "Fleet sent a frame that is not what its protocol says",
        )
    };
    let frame: Frame = serde_json::from_str(frame).map_err(unreadable)?;
    match frame.kind.as_str() {
        "result" => {
            let result: HostResult = serde_json::from_value(frame.data).map_err(unreadable)?;
            let answer = match result.error {
                Some(error) if error.is_empty() => {
                    Answer::Failed("the query failed on this host, and its agent did not say why".into())
                }
                Some(error) => Answer::Failed(error),
                None => Answer::Rows(result.rows.unwrap_or_default().into_iter().map(row).collect()),
            };
            Ok(Message::Answer(result.host.id, answer))
        }
        "error" => {
            let message = frame
                .data
                .as_str()
                .map_or_else(|| frame.data.to_string(), str::to_owned);
            let message: String = message.chars().take(300).collect();
            let kind = match message.as_str() {
                "unauthorized" => FailureKind::Auth,
                "forbidden" => FailureKind::Permission,
                _ => FailureKind::Unavailable,
            };
            Err(Failure::new(kind, format!("Fleet ended the query: {message}")))
        }
        // The status `finished` comes early when hosts are offline, and never when some stay silent: answers are
        // counted instead.
        "totals" | "status" => Ok(Message::Ignored),
        _ => Ok(Message::Unknown(frame.kind)),
    }
}
