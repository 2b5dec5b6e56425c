//! Ways to make the host hold much: requests, answers, messages, and whatever is kept while the plugin waits.

use futures::future::join_all;
use serde_json::Value;

use super::bindings::playbook::plugin::http::{self, Body, Method, Request};
use super::bindings::playbook::plugin::types::{Failure, FailureKind};
use super::bindings::playbook::plugin::{clock, results, websocket};
use super::{get, said};

/// A mebibyte.
const MIB: usize = 1 << 20;

/// Misbehaves if it knows this way.
#[expect(clippy::too_many_lines, reason = "a list of ways")]
pub(super) async fn hoard(how: &str, params: &Value) -> Option<Result<String, Failure>> {
    let number = |key: &str| usize::try_from(params[key].as_u64().unwrap_or_default()).unwrap_or_default();
    let (count, mib) = (number("count"), number("mib"));
    Some(Ok(match how {
        "hold requests" => {
            let sent = join_all((0..count).map(|_| async move { http::send(large(mib)).await })).await;
            let refused = sent.iter().filter_map(|sent| sent.as_ref().err());
            said(&format!("{} failed", refused.count()))
        }
        "hold answers" => {
            let sent = join_all((0..count).map(|_| async {
                let patient = Request {
                    timeout_ms: 60_000,
                    ..get("/large")
                };
                http::send(patient).await.map(|response| response.body.len())
            }))
            .await;
            let read = sent.iter().filter(|sent| sent.is_ok());
            said(&format!("{} answers", read.count()))
        }
        "hold messages" => {
            let received = join_all((0..count).map(|_| async {
                let socket = websocket::connect("/socket".into(), Vec::new(), 5_000).await.ok()?;
                socket.receive(60_000).await.ok()?.first().map(String::len)
            }))
            .await;
            said(&format!("{} messages", received.iter().flatten().count()))
        }
        "listen" => match websocket::connect("/socket".into(), Vec::new(), 5_000).await {
            Ok(socket) => loop {
                match socket.receive(u64::MAX).await {
                    Ok(texts) if texts.is_empty() => break said("closed"),
                    Ok(_) => {}
                    Err(error) => break said(&format!("{:?}: {}", error.kind, error.message)),
                }
            },
            Err(_) => said("not connected"),
        },
        "flood a socket" => match websocket::connect("/socket".into(), Vec::new(), 5_000).await {
            Ok(socket) => {
                let socket = &socket;
                let sent = join_all((0..count).map(|_| async move { socket.send(text(mib)).await })).await;
                let refused = sent.iter().filter(|sent| sent.is_err());
                said(&format!("{} failed", refused.count()))
            }
            Err(_) => said("not connected"),
        },
        "wait for thousands" => {
            join_all((0..count).map(|_| clock::sleep(60_000))).await;
            said("awake")
        }
        "hoard in vain" => {
            // Handles that are never given back, one after the other.
            let mut kept = Vec::new();
            loop {
                let mut sleeping = Box::pin(clock::sleep(1));
                futures::future::select(&mut sleeping, futures::future::ready(())).await;
                kept.push(sleeping);
            }
        }
        "tell large pieces" => {
            for at in 0..count {
                let _ = results::publish(&at.to_string(), &results::Entry::Found(text(mib)));
            }
            said("told")
        }
        "hold memory" => {
            let held = vec![1_u8; mib * MIB];
            clock::sleep(200).await;
            said(&"x".repeat(held.len() / 8))
        }
        "return numbers" => {
            // Small as a text, large once it is read.
            let mut list = String::with_capacity(mib * MIB + 16);
            list.push('[');
            while list.len() < mib * MIB {
                list.push_str("0,");
            }
            list.push_str("0]");
            list
        }
        "return words" => {
            // Small texts, each of which a schema may look at for long.
            let word = "\"abababababababababababababababababab\",";
            let mut list = String::with_capacity(mib * MIB + 64);
            list.push('[');
            while list.len() < mib * MIB {
                list.push_str(word);
            }
            list.push_str("\"\"]");
            list
        }
        "return a long text" => {
            let mut text = String::with_capacity(mib * MIB + 16);
            text.push('"');
            while text.len() < mib * MIB {
                text.push_str("ab");
            }
            text.push('"');
            text
        }
        "fail for ever" => {
            return Some(Err(Failure {
                kind: FailureKind::Unavailable,
                message: "try again".into(),
                hint: None,
            }));
        }
        _ => return None,
    }))
}

fn large(mib: usize) -> Request {
    Request {
        method: Method::Post,
        body: Some(Body::Json(text(mib))),
        timeout_ms: 60_000,
        ..get("/slow")
    }
}

/// A JSON text of this size.
fn text(mib: usize) -> String {
    let mut text = String::with_capacity(mib * MIB + 2);
    text.push('"');
    text.extend(std::iter::repeat_n('x', mib * MIB));
    text.push('"');
    text
}

/// A result schema that is much work.
pub(super) fn schema(how: &str) -> Option<String> {
    let words: Vec<String> = (0..19_000).map(|at| format!("w{at}")).collect();
    let items = match how {
        "check with an enum" => serde_json::json!({"enum": words}),
        "check with contains" => serde_json::json!({"allOf": (0..2_000).map(|at| {
            serde_json::json!({"not": {"const": at + 1}})
        }).collect::<Vec<_>>()}),
        "check with a pattern" => serde_json::json!({"pattern": "[ab]{900}c"}),
        "check with patterns" => serde_json::json!({"allOf": (0..100).map(|at| {
            serde_json::json!({"pattern": format!("[ab]*a[ab]{{{}}}$", 100 + at)})
        }).collect::<Vec<_>>()}),
        "check with any of" => serde_json::json!({"type": "object"}),
        _ => return None,
    };
    let schema = match how {
        "check with contains" => serde_json::json!({"contains": items, "maxContains": 0}),
        "check with any of" => serde_json::json!({"anyOf": [{"items": items}, {"items": {"type": "string"}}]}),
        "check with a pattern" => serde_json::json!({"items": items, "anyOf": [{"type": "array"}, items]}),
        _ => serde_json::json!({"items": items}),
    };
    Some(schema.to_string())
}
