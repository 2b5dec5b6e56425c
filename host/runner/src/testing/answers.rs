//! The answers of a case: what is written, and what was recorded.

use std::collections::HashMap;

use serde_json::Value;

use super::{Case, TestFile, WrittenAnswer, WrittenAnswers, WrittenAttempts};
use crate::run::record::{RecordedOutcome, RunRecord};
use crate::run::report::StepError;
use crate::run::stub::{Answers, CallAnswers, Stub};
use crate::sandbox::plugin::{FailureKind, StepFailure, StepOutcome};
use crate::text::diagnostic::{Code, Diagnostic};

/// What steps return in a case.
pub(super) fn of(case: &Case, record: Option<&RunRecord>) -> HashMap<String, Answers> {
    let mut answers = record.map(recorded).unwrap_or_default();
    for (step, written) in &case.answers {
        let written = match written {
            WrittenAnswers::Each(attempts) => Answers::Each(attempts.stubs()),
            WrittenAnswers::Items(items) => Answers::Items(items.iter().map(WrittenAttempts::stubs).collect()),
        };
        answers.insert(step.clone(), written);
    }
    answers
}

/// What the calls of a recorded run returned.
fn recorded(record: &RunRecord) -> HashMap<String, Answers> {
    let mut answers: HashMap<String, Answers> = HashMap::new();
    for call in &record.calls {
        let Some(outcome) = &call.outcome else { continue };
        let attempts = match &call.item {
            None => answers
                .entry(call.step.clone())
                .or_insert_with(|| Answers::Each(CallAnswers::List(Vec::new()))),
            Some(_) => answers
                .entry(call.step.clone())
                .or_insert_with(|| Answers::Items(Vec::new())),
        };
        let list = match (attempts, &call.item) {
            (Answers::Each(CallAnswers::List(list)), None) => list,
            (Answers::Items(items), Some(item)) => {
                // They come in the order of their items; one that was not started has no answer.
                while items.len() <= item.index.min(crate::language::for_each::MOST_ITEMS) {
                    items.push(CallAnswers::List(Vec::new()));
                }
                match items.last_mut() {
                    Some(CallAnswers::List(list)) => list,
                    _ => continue,
                }
            }
            // A record that makes no sense of itself.
            _ => continue,
        };
        if let Some(Stub::Failed(earlier) | Stub::Stopped(earlier, _)) = list.last_mut() {
            // There was another attempt after it.
            earlier.acted = false;
        }
        list.push(stub(outcome));
    }
    answers
}

fn stub(outcome: &RecordedOutcome) -> Stub {
    match outcome {
        RecordedOutcome::Returned(returned) => Stub::Returned(StepOutcome {
            result: returned.result.clone(),
            partial: returned.partial,
            notes: returned.notes.clone(),
        }),
        RecordedOutcome::Failed(error) => Stub::Failed(failure(error)),
        RecordedOutcome::Stopped(stop) => {
            let outcome = StepOutcome {
                result: stop.result.clone(),
                partial: true,
                notes: Vec::new(),
            };
            Stub::Stopped(failure(&stop.error), outcome)
        }
    }
}

fn failure(error: &StepError) -> StepFailure {
    StepFailure {
        kind: serde_json::from_value(Value::from(&*error.kind)).unwrap_or(FailureKind::Internal),
        message: error.message.clone(),
        hint: error.hint.clone(),
        // Where there was no other attempt then, there is none now.
        acted: true,
    }
}

impl WrittenAttempts {
    fn stubs(&self) -> CallAnswers {
        match self {
            Self::All(answer) => CallAnswers::All(answer.stub()),
            Self::List(list) => CallAnswers::List(list.iter().map(WrittenAnswer::stub).collect()),
        }
    }

    /// The answers, one by one.
    pub(super) fn all(&self) -> &[WrittenAnswer] {
        match self {
            Self::All(answer) => std::slice::from_ref(answer),
            Self::List(list) => list,
        }
    }
}

impl WrittenAnswers {
    /// The answers, one by one.
    pub(super) fn all(&self) -> impl Iterator<Item = &WrittenAnswer> {
        let attempts = match self {
            Self::Each(attempts) => std::slice::from_ref(attempts),
            Self::Items(items) => items,
        };
        attempts.iter().flat_map(WrittenAttempts::all)
    }
}

impl WrittenAnswer {
    fn stub(&self) -> Stub {
        if let Some(failure) = &self.failure {
            return Stub::Failed(StepFailure {
                kind: failure.kind,
                message: failure
                    .message
                    .clone()
                    .unwrap_or_else(|| "the test lets it fail".into()),
                hint: failure.hint.clone(),
                acted: failure.acted,
            });
        }
        let result = self.result.clone().unwrap_or_default();
        let told = result.get("partial").and_then(Value::as_bool);
        Stub::Returned(StepOutcome {
            partial: self.partial.or(told).unwrap_or(false),
            result,
            notes: Vec::new(),
        })
    }
}

impl TestFile {
    /// The recorded run that a case begins with.
    pub(super) fn record(&self, case: &Case) -> Result<Option<RunRecord>, Diagnostic> {
        let Some(file) = &case.record else { return Ok(None) };
        let path = self.below(file, &case.at("/record"))?;
        RunRecord::read(&path).map(Some).map_err(|error| {
            Diagnostic::error(Code::UnreadableFile, error.to_string())
                .at(self.place(&case.at("/record")))
                .hint("`playbook run --record DIR` writes records; the name is seen from the file of tests")
        })
    }
}
