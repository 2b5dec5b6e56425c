//! Runs the calls of a record again, without any network, and compares what comes of them.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::language::params::Rendered;
use crate::net::egress::Sessions;
use crate::run::record::{RecordedCall, RecordedOutcome, RunRecord};
use crate::run::report::{CallFailure, StepError};
use crate::runner::Runner;
use crate::sandbox::event::CallObserver;
use crate::sandbox::plugin::StepCall;
use crate::sandbox::transcript::Player;
use crate::secrets::Vault;
use crate::text::json::escape_key;

/// How many differences of a call are told.
const MOST_DIFFERENCES: usize = 100;

/// What came of a call that was run again.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReplayedCall {
    /// The step's id.
    pub step: String,
    /// The place of its item in the list, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<usize>,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// How it compares to the record.
    pub verdict: Verdict,
    /// What differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// What the plugin asked for that the record does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrecorded: Option<String>,
    /// Why it could not be run again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How it ended now, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<RecordedOutcome>,
}

/// How a call that was run again compares to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// It ended in the same way.
    Same,
    /// It ended in another way.
    Different,
    /// It asked its server for something that the record does not have.
    Unrecorded,
    /// It could not be run again: the plugin does not provide its type, or does not take its params.
    Refused,
    /// The record does not have what it said and heard.
    NoTraffic,
    /// It was under way when the run ended.
    Unfinished,
}

/// A part of what a call ended with that is not as it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// Where, as a JSON pointer.
    pub at: String,
    /// What was there; none if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Value>,
    /// What is there now; none if nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<Value>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::Unrecorded => "asks for something else",
            Self::Refused => "cannot be run again",
            Self::NoTraffic => "kept without its traffic",
            Self::Unfinished => "was not finished",
        })
    }
}

impl ReplayedCall {
    /// Whether nothing speaks against the call being as it was.
    pub fn is_same(&self) -> bool {
        matches!(self.verdict, Verdict::Same | Verdict::Unfinished)
    }
}

impl Runner {
    /// Runs a call of a record again: the plugin is answered from what was recorded, and nothing is sent.
    pub async fn replay(&self, record: &RunRecord, call: &RecordedCall, events: CallObserver) -> ReplayedCall {
        let replayed = |verdict| ReplayedCall {
            step: call.step.clone(),
            item: call.item.as_ref().map(|item| item.index),
            attempt: call.attempt,
            verdict,
            differences: Vec::new(),
            unrecorded: None,
            reason: None,
            outcome: None,
        };
        let refused = |reason: String| ReplayedCall {
            reason: Some(reason),
            ..replayed(Verdict::Refused)
        };
        let Some(transcript) = &call.transcript else {
            return replayed(Verdict::NoTraffic);
        };
        let Some(recorded) = &call.outcome else {
            return replayed(Verdict::Unfinished);
        };
        let Some((plugin, step_type)) = self.provider(&call.step_type) else {
            return refused(format!("no loaded plugin provides the step type `{}`", call.step_type));
        };
        // A secret's value is its own name: none is needed, and none could be told.
        let vault = Vault::of_masks(record.inputs.secrets.iter().cloned());
        let params = unmasked(&call.params, &vault);
        if let Some(problem) = step_type.params.validate(&params).first() {
            return refused(format!("the plugin does not take its params: {}", problem.message));
        }
        let player = Player::new(transcript.clone(), vault.call(None));
        let again = StepCall {
            step_type: call.step_type.clone(),
            timeout: Rendered::of(params.clone(), &step_type.params).timeout,
            params,
            vault: vault.clone(),
            sessions: Sessions::default(),
            grant: None,
            cancel: CancellationToken::new(),
            events,
        };
        let ended = plugin.run_played(player.clone(), again).await;
        if let Some(what) = player.unrecorded() {
            return ReplayedCall {
                unrecorded: Some(what),
                ..replayed(Verdict::Unrecorded)
            };
        }
        let ended = ended.map_err(|unfinished| CallFailure {
            error: StepError::from(&unfinished.error),
            outcome: unfinished.outcome,
        });
        let outcome = RecordedOutcome::of(&ended, &vault.redactor());
        let mut differences = Vec::new();
        compare(&of_interest(recorded), &of_interest(&outcome), "", &mut differences);
        ReplayedCall {
            differences,
            outcome: Some(outcome.clone()),
            ..replayed(if of_interest(recorded) == of_interest(&outcome) {
                Verdict::Same
            } else {
                Verdict::Different
            })
        }
    }
}

/// What of an outcome must be as it was. Of a plugin that the host stopped, the words tell of this host's limits.
fn of_interest(outcome: &RecordedOutcome) -> Value {
    match outcome {
        RecordedOutcome::Failed(error) if error.kind == "plugin" => json!({"failed": {"kind": error.kind}}),
        RecordedOutcome::Stopped(stop) if stop.error.kind == "plugin" => {
            json!({"stopped": {"error": {"kind": stop.error.kind}, "result": stop.result}})
        }
        outcome => serde_json::to_value(outcome).expect("an outcome has only texts as keys"),
    }
}

/// Params with handles in the place of secrets' names.
fn unmasked(value: &Value, vault: &Vault) -> Value {
    match value {
        Value::String(text) => Value::String(vault.unmasked(text)),
        Value::Array(items) => items.iter().map(|item| unmasked(item, vault)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), unmasked(value, vault)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// Collects what differs between two values.
fn compare(recorded: &Value, replayed: &Value, at: &str, differences: &mut Vec<Difference>) {
    if differences.len() >= MOST_DIFFERENCES || recorded == replayed {
        return;
    }
    let mut part = |key: &str, recorded: Option<&Value>, replayed: Option<&Value>| {
        let at = format!("{at}/{}", escape_key(key));
        match (recorded, replayed) {
            (Some(recorded), Some(replayed)) => compare(recorded, replayed, &at, differences),
            (recorded, replayed) if differences.len() < MOST_DIFFERENCES => differences.push(Difference {
                at,
                recorded: recorded.cloned(),
                replayed: replayed.cloned(),
            }),
            _ => {}
        }
    };
    match (recorded, replayed) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                part(key, Some(value), after.get(key));
            }
            for (key, value) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
                part(key, None, Some(value));
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for index in 0..before.len().max(after.len()) {
                part(&index.to_string(), before.get(index), after.get(index));
            }
        }
        _ => differences.push(Difference {
            at: at.to_owned(),
            recorded: Some(recorded.clone()),
            replayed: Some(replayed.clone()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told_and_where() {
        let told = |before: Value, after: Value| {
            let mut differences = Vec::new();
            compare(&before, &after, "", &mut differences);
            let shown = |value: Option<Value>| value.map_or("nothing".to_owned(), |value| value.to_string());
            differences
                .into_iter()
                .map(|difference| {
                    format!(
                        "{}: {} -> {}",
                        difference.at,
                        shown(difference.recorded),
                        shown(difference.replayed)
                    )
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told(json!({"a": [1, {"b/c": 2}]}), json!({"a": [1, {"b/c": 2}]})),
            [""; 0]
        );
        assert_eq!(
            told(
                json!({"a": [1, {"b/c": 2}], "gone": null}),
                json!({"a": [1, {"b/c": 3}, 4], "new": true})
            ),
            [
                "/a/1/b~1c: 2 -> 3",
                "/a/2: nothing -> 4",
                "/gone: null -> nothing",
                "/new: nothing -> true"
            ]
        );
        assert_eq!(told(json!(1), json!("1")), [": 1 -> \"1\""]);
    }
}
