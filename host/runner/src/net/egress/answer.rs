//! Answers as the plugin may see them: with handles in the place of values.
//!
//! A plugin says where in an answer a session token stands. What it says decides what it will use, not what it is kept from:
//! an answer in which the token cannot be found for certain is not given to it.

use reqwest::StatusCode;
use secrecy::zeroize::Zeroizing;
use serde_json::{Map, Value};

use super::Response;
use crate::secrets::{CallSecrets, CaptureRefused};
use crate::text::document::Unique;
use crate::text::json::unescape_key;

/// The largest answer in which tokens are captured, in bytes.
pub(super) const LONGEST_CAPTURING: usize = 1 << 20;

/// In how many places of an answer a plugin may expect tokens.
pub(super) const MOST_POINTERS: usize = 16;

/// The header fields of an answer with tokens that a plugin sees: servers repeat tokens in others.
const PLAIN_HEADERS: [&str; 3] = ["content-type", "date", "retry-after"];

/// What stands in the place of a text that may be a token and cannot be kept as one.
const WITHHELD: &str = "[withheld]";

/// Why an answer is not given to the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CaptureError {
    #[error("it is not one JSON object with each name once")]
    NotAnObject,
    #[error("what stands where a token belongs is not a text")]
    NotAText,
    #[error(transparent)]
    Refused(#[from] CaptureRefused),
}

/// An answer without the values that this call knows, those included that it captures now.
pub(crate) fn concealed(secrets: &CallSecrets, answer: Response, capture: &[String]) -> Result<Response, CaptureError> {
    let Response {
        status,
        headers,
        body,
        held,
    } = answer;
    let body = if capture.is_empty() {
        body
    } else {
        let page = headers
            .iter()
            .any(|(name, value)| name == "content-type" && value.starts_with("text/html"));
        // Of a web page, that it is one says enough: whoever meant to log in asked the wrong server.
        let body = if page { Vec::new() } else { body };
        captured(secrets, status, body, capture)?
    };
    // The order matters: what was captured just now is looked for as well.
    let body = secrets.conceal(body);
    let shown = |name: &str| capture.is_empty() || PLAIN_HEADERS.contains(&name);
    let headers = headers
        .into_iter()
        .filter(|(name, _)| shown(name))
        .map(|(name, value)| {
            let name = secrets.conceal_text(name);
            (name, secrets.conceal_text(value))
        });
    Ok(Response {
        status,
        headers: headers.collect(),
        body,
        held,
    })
}

/// The body with handles in the place of tokens.
fn captured(secrets: &CallSecrets, status: u16, body: Vec<u8>, pointers: &[String]) -> Result<Vec<u8>, CaptureError> {
    if body.trim_ascii().is_empty() {
        return Ok(body);
    }
    let body = Zeroizing::new(body);
    let Ok(Unique(Value::Object(mut answer))) = serde_json::from_slice(&body) else {
        // Why a server refuses is said by its status. Whatever its words are, a token may stand among them.
        let refused = !StatusCode::from_u16(status).is_ok_and(|status| status.is_success());
        return if refused {
            Ok(Vec::new())
        } else {
            Err(CaptureError::NotAnObject)
        };
    };
    let mut root = Value::Object(std::mem::take(&mut answer));
    for pointer in pointers {
        match root.pointer_mut(pointer) {
            None | Some(Value::Null) => {}
            Some(Value::String(token)) if token.is_empty() => {}
            Some(Value::String(token)) => {
                let name = pointer.trim_start_matches('/');
                *token = secrets.capture(name, std::mem::take(token))?;
            }
            Some(_) => return Err(CaptureError::NotAText),
        }
    }
    let names: Vec<String> = pointers.iter().filter_map(|pointer| name_of(pointer)).collect();
    if let Value::Object(answer) = &mut root {
        capture_named(secrets, answer, &names)?;
    }
    Ok(root.to_string().into_bytes())
}

/// What a pointer calls the token, unless it counts.
fn name_of(pointer: &str) -> Option<String> {
    let name = unescape_key(pointer.rsplit('/').next()?);
    (!name.is_empty() && !name.bytes().all(|byte| byte.is_ascii_digit())).then(|| name.to_lowercase())
}

/// Captures what is called like a token wherever it stands: servers move things, and wrap them.
fn capture_named(secrets: &CallSecrets, object: &mut Map<String, Value>, names: &[String]) -> Result<(), CaptureError> {
    for (name, value) in object {
        capture_in(secrets, value, names.contains(&name.to_lowercase()), name, names)?;
    }
    Ok(())
}

fn capture_in(
    secrets: &CallSecrets,
    value: &mut Value,
    is_token: bool,
    name: &str,
    names: &[String],
) -> Result<(), CaptureError> {
    match value {
        Value::String(text) if is_token && !text.is_empty() && !secrets.has(text) => {
            *text = match secrets.capture(name, std::mem::take(text)) {
                Err(CaptureRefused::Weak(_)) => WITHHELD.to_owned(),
                captured => captured?,
            };
        }
        Value::Number(_) if is_token => *value = WITHHELD.into(),
        Value::Array(items) => {
            for item in items {
                capture_in(secrets, item, is_token, name, names)?;
            }
        }
        Value::Object(inner) => capture_named(secrets, inner, names)?,
        _ => {}
    }
    Ok(())
}
