//! Reads a file of tests.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    Case, Expected, ExpectedStep, SCHEMA, TestFile, WrittenAnswer, WrittenAnswers, WrittenAttempts, WrittenFailure,
};
use crate::text::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::text::document::Document;
use crate::text::json::escape_key;
use crate::text::schema::place;

/// What the clock shows unless a case says otherwise.
const NOW: &str = "2026-01-01T00:00:00Z";

/// See [`TestFile::read`].
pub(super) fn file(document: Document, mut problems: Diagnostics) -> (TestFile, Diagnostics) {
    let found = SCHEMA.validate(document.value()).into_iter();
    problems.extend(found.map(|problem| place(&document, "", problem)));
    let mut reading = TestReading {
        document: &document,
        problems,
    };
    let cases = document.value()["cases"].as_array().into_iter().flatten().enumerate();
    let cases = cases
        .map(|(at, case)| reading.case(case, format!("/cases/{at}")))
        .collect();
    let problems = reading.problems;
    let file = TestFile {
        playbook: document.value()["playbook"].as_str().map(str::to_owned),
        cases,
        document,
    };
    (file, problems)
}

/// Reading, with the problems found so far. What does not fit the schema was complained about before, and is passed over.
struct TestReading<'d> {
    document: &'d Document,
    problems: Diagnostics,
}

impl TestReading<'_> {
    fn case(&mut self, case: &Value, pointer: String) -> Case {
        let now = case["now"].as_str();
        let now = now.map(|text| {
            text.parse().map_err(|_| {
                Diagnostic::error(Code::InvalidValue, "`now` must be a moment")
                    .at(self.document.place(&format!("{pointer}/now")))
                    .hint(format!("for example `{NOW}`"))
            })
        });
        let now = now.unwrap_or_else(|| Ok(NOW.parse().expect("it is a moment")));
        Case {
            name: case["name"].as_str().unwrap_or_default().to_owned(),
            alert: case.get("alert").cloned(),
            vars: case["vars"].as_object().cloned(),
            now: now.unwrap_or_else(|problem| {
                self.problems.push(problem);
                Timestamp::UNIX_EPOCH
            }),
            record: case["record"].as_str().map(str::to_owned),
            answers: entries(&case["steps"])
                .map(|(step, written)| {
                    let at = format!("{pointer}/steps/{}", escape_key(step));
                    (step.clone(), self.answers(written, &at))
                })
                .collect(),
            expected: self.expected(&case["expect"], &format!("{pointer}/expect")),
            pointer,
        }
    }

    fn answers(&mut self, written: &Value, at: &str) -> WrittenAnswers {
        let Some(items) = written.get("items").and_then(Value::as_array) else {
            return WrittenAnswers::Each(self.attempts(written, at));
        };
        for key in ["result", "failure", "partial"] {
            if written.get(key).is_some() {
                let message = format!("`items` and `{key}` exclude each other");
                let place = self.document.key_place(&format!("{at}/{key}"));
                let problem = Diagnostic::error(Code::ConflictingKeys, message).at(place);
                self.problems.push(
                    problem.hint("a step with `for_each` has an answer for each item under `items`, or one for all"),
                );
            }
        }
        let items = items.iter().enumerate();
        WrittenAnswers::Items(
            items
                .map(|(index, item)| self.attempts(item, &format!("{at}/items/{index}")))
                .collect(),
        )
    }

    fn attempts(&mut self, written: &Value, at: &str) -> WrittenAttempts {
        match written {
            Value::Array(list) => {
                let list = list.iter().enumerate();
                let list = list.map(|(index, answer)| self.answer(answer, format!("{at}/{index}")));
                WrittenAttempts::List(list.collect())
            }
            answer => WrittenAttempts::All(self.answer(answer, at.to_owned())),
        }
    }

    fn answer(&mut self, written: &Value, pointer: String) -> WrittenAnswer {
        let (result, failure) = (written.get("result"), written.get("failure"));
        let wrong = match (result, failure) {
            (Some(_), Some(_)) => Some((
                Code::ConflictingKeys,
                self.document.key_place(&format!("{pointer}/failure")),
                "`result` and `failure` exclude each other",
            )),
            (None, None) => Some((
                Code::MissingKey,
                self.document.place(&pointer),
                "an answer has a `result` or a `failure`",
            )),
            _ => None,
        };
        if let Some((code, place, message)) = wrong {
            self.problems.push(Diagnostic::error(code, message).at(place));
        }
        WrittenAnswer {
            result: result.cloned(),
            partial: written["partial"].as_bool(),
            failure: failure.and_then(|failure| match failure {
                Value::String(_) => Some(WrittenFailure {
                    kind: serde_json::from_value(failure.clone()).ok()?,
                    message: None,
                    hint: None,
                    acted: false,
                }),
                failure => serde_json::from_value(failure.clone()).ok(),
            }),
            pointer,
        }
    }

    fn expected(&mut self, written: &Value, at: &str) -> Expected {
        let text = |key: &str| written[key].as_str().map(str::to_owned);
        let invalid = text("invalid");
        if let Some(word) = &invalid {
            if Code::from_word(word).is_none() {
                let near = Code::nearest(word).map(|near| format!("did you mean `{near}`?"));
                let message = format!("there is no kind of problem `{word}`");
                self.problems.push(
                    Diagnostic::error(Code::UnknownValue, message)
                        .at(self.document.place(&format!("{at}/invalid")))
                        .hint(near.unwrap_or_else(|| "`playbook explain` lists them".into())),
                );
            }
            let others = written.as_object().into_iter().flat_map(Map::keys);
            for other in others.filter(|key| *key != "invalid") {
                let message = format!("`{other}` has no meaning beside `invalid`: nothing runs");
                let place = self.document.key_place(&format!("{at}/{}", escape_key(other)));
                self.problems
                    .push(Diagnostic::error(Code::MeaninglessKey, message).at(place));
            }
        }
        let list = |key: &str| serde_json::from_value(written[key].clone()).ok();
        Expected {
            status: serde_json::from_value(written["status"].clone()).ok(),
            runs: list("runs"),
            invalid,
            steps: entries(&written["steps"])
                .map(|(step, written)| (step.clone(), expected_step(written)))
                .collect(),
        }
    }
}

fn expected_step(written: &Value) -> ExpectedStep {
    match written {
        Value::String(_) => ExpectedStep {
            short: true,
            status: serde_json::from_value(written.clone()).ok(),
            ..ExpectedStep::default()
        },
        map => serde_json::from_value(map.clone()).unwrap_or_default(),
    }
}

/// The entries of a map.
fn entries(map: &Value) -> impl Iterator<Item = (&String, &Value)> {
    map.as_object().into_iter().flatten()
}
