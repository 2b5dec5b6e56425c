//! Compares what came of a run with what a case expects.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::{Case, CaseReport, ExpectedCall, ExpectedStep, TestFile, Unmet};
use crate::run::report::{RunReport, StepReport, StepStatus};
use crate::run::stub::Unanswered;
use crate::text::diagnostic::{Diagnostics, nearest};
use crate::text::json::escape_key;
use crate::text::visible::{visible, visible_lines};

/// The longest value that is shown in full, in bytes.
const LONGEST: usize = 400;

/// What came of a case.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) report: RunReport,
    pub(super) calls: Vec<MadeCall>,
    pub(super) unanswered: Vec<Unanswered>,
}

/// A call that would have been made.
#[derive(Debug)]
pub(super) struct MadeCall {
    pub(super) step: String,
    pub(super) attempt: u32,
    /// With secrets' names in their places.
    pub(super) params: Value,
    /// What it would send, or why that cannot be told.
    pub(super) text: Option<Result<String, String>>,
}

/// Comparing, with what was not as expected so far.
struct Comparing<'a> {
    tests: &'a TestFile,
    case: &'a Case,
    unmet: Vec<Unmet>,
}

impl Case {
    /// What comes of a case whose input is invalid.
    pub(super) fn invalid(&self, tests: &TestFile, problems: &Diagnostics) -> CaseReport {
        let mut comparing = Comparing::new(tests, self);
        let found: BTreeSet<&str> = problems.iter().map(|problem| problem.code().word()).collect();
        match &self.expected.invalid {
            Some(code) if found.contains(code.as_str()) => {}
            Some(code) => {
                let found: Vec<&str> = found.into_iter().collect();
                comparing.unmet(
                    "/expect/invalid",
                    "what is wrong with the input",
                    code,
                    found.join(", "),
                    None,
                );
            }
            None => comparing.unmet(
                "/name",
                "the input",
                "a valid one",
                problems.to_string(),
                Some("if that is meant, expect `invalid: CODE`".into()),
            ),
        }
        comparing.finish(None)
    }

    /// Compares a run with what is expected of it.
    pub(super) fn compared(&self, tests: &TestFile, ran: &Ran) -> CaseReport {
        let mut comparing = Comparing::new(tests, self);
        comparing.unanswered(&ran.unanswered);
        let report = &ran.report;
        if let Some(code) = &self.expected.invalid {
            let got = format!("a run that ended as {}", word(report.status));
            comparing.unmet("/expect/invalid", "what is wrong with the input", code, got, None);
        }
        if let Some(expected) = self.expected.status
            && expected != report.status
        {
            let failed = report.steps.iter().find(|step| step.status == StepStatus::Failed);
            let hint = failed.and_then(why);
            comparing.unmet(
                "/expect/status",
                "the run's status",
                word(expected),
                word(report.status),
                hint,
            );
        }
        if let Some(expected) = &self.expected.runs {
            comparing.runs(expected, report);
        }
        for (id, expected) in &self.expected.steps {
            if let Some(step) = report.steps.iter().find(|step| step.id == *id) {
                comparing.step(expected, step, &ran.calls);
            }
        }
        comparing.finish(Some(report.status))
    }
}

impl<'a> Comparing<'a> {
    fn new(tests: &'a TestFile, case: &'a Case) -> Self {
        Self {
            tests,
            case,
            unmet: Vec::new(),
        }
    }

    fn finish(self, status: Option<crate::run::report::RunStatus>) -> CaseReport {
        CaseReport {
            name: visible(&self.case.name).into_owned(),
            line: self
                .tests
                .place(&self.case.at(""))
                .lines_columns()
                .map(|((line, _), _)| line),
            passed: self.unmet.is_empty(),
            status,
            failures: self.unmet,
        }
    }

    /// Something is not as expected; `below` is where that is written, seen from the case.
    fn unmet(
        &mut self,
        below: &str,
        subject: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
        hint: Option<String>,
    ) {
        let place = self.tests.place(&self.case.at(below));
        let start = place.lines_columns().map(|(start, _)| start);
        self.unmet.push(Unmet {
            file: place.file().to_owned(),
            line: start.map(|(line, _)| line),
            column: start.map(|(_, column)| column),
            subject: visible(&subject.into()).into_owned(),
            expected: visible_lines(&expected.into()),
            got: visible_lines(&got.into()),
            hint: hint.map(|hint| visible(&hint).into_owned()),
        });
    }

    /// A call without an answer is never what a case is about.
    fn unanswered(&mut self, calls: &[Unanswered]) {
        let mut told = BTreeSet::new();
        for call in calls.iter().filter(|call| told.insert(&call.step)) {
            let mut what = format!("the step `{}`", call.step);
            if let Some(item) = call.item {
                let _ = write!(what, ", item {}", item + 1);
            }
            if call.attempt > 1 {
                let _ = write!(what, ", attempt {}", call.attempt);
            }
            let at = format!("/steps/{}", escape_key(&call.step));
            let written = self.case.answers.iter().any(|(step, _)| *step == call.step);
            self.unmet(
                if written { &at } else { "/name" },
                what,
                "an answer in the test",
                "none, and the step runs",
                Some(format!(
                    "say what it returns under `steps: {{{}: {{result: …}}}}`",
                    call.step
                )),
            );
        }
    }

    fn runs(&mut self, expected: &[String], report: &RunReport) {
        let ran: Vec<&str> = report
            .steps
            .iter()
            .filter(|step| step.status != StepStatus::Skipped)
            .map(|step| step.id.as_str())
            .collect();
        let (wanted, found): (BTreeSet<&str>, BTreeSet<&str>) = (
            expected.iter().map(String::as_str).collect(),
            ran.iter().copied().collect(),
        );
        if wanted == found {
            return;
        }
        let missing = wanted.difference(&found).next();
        let hint = missing.and_then(|id| why(report.steps.iter().find(|step| step.id == **id)?));
        self.unmet(
            "/expect/runs",
            "the steps that run",
            expected.join(", "),
            ran.join(", "),
            hint,
        );
    }

    fn step(&mut self, expected: &ExpectedStep, step: &StepReport, calls: &[MadeCall]) {
        let at = format!("/expect/steps/{}", escape_key(&step.id));
        let below = |key: &str| {
            if expected.short {
                at.clone()
            } else {
                format!("{at}/{key}")
            }
        };
        let of = |what: &str| format!("{what} of the step `{}`", step.id);
        macro_rules! compare {
            ($key:literal, $what:literal, $expected:expr, $got:expr) => {
                if let Some(expected) = $expected
                    && Some(expected) != $got
                {
                    let got = $got.map_or("none".to_owned(), word);
                    self.unmet(&below($key), of($what), word(expected), got, why(step));
                }
            };
        }
        compare!("status", "the status", expected.status, Some(step.status));
        compare!("reason", "the reason for skipping", expected.reason, step.reason);
        let branch = step.branch.as_ref();
        compare!(
            "holds",
            "the condition",
            expected.holds,
            branch.map(|branch| branch.holds)
        );
        compare!(
            "next",
            "the branch",
            expected.next.as_deref(),
            branch.and_then(|branch| branch.next.as_deref())
        );
        compare!("attempts", "the calls", expected.attempts, Some(step.attempts));
        compare!("items", "the items", expected.items, step.items);
        compare!(
            "error",
            "the error",
            expected.error.as_deref(),
            step.error.as_ref().map(|error| &*error.kind)
        );
        if let Some(part) = &expected.result {
            let nothing = Value::Null;
            let found = step.result.as_ref().unwrap_or(&nothing);
            self.part(&below("result"), &of("the result"), part, found);
        }
        self.calls(expected, step, calls);
    }

    /// Compares the calls of a step: each item's first attempt, since the others are the same.
    fn calls(&mut self, expected: &ExpectedStep, step: &StepReport, calls: &[MadeCall]) {
        let at = format!("/expect/steps/{}", escape_key(&step.id));
        let below = |key: &str| {
            if expected.short {
                at.clone()
            } else {
                format!("{at}/{key}")
            }
        };
        let of = |what: &str| format!("{what} of the step `{}`", step.id);
        let calls: Vec<&MadeCall> = calls
            .iter()
            .filter(|call| call.step == step.id && call.attempt == 1)
            .collect();
        let every = ExpectedCall {
            params: expected.params.clone(),
            text: expected.text.clone(),
        };
        for call in &calls {
            self.call(&at, &format!("the step `{}`", step.id), &every, call);
        }
        if calls.is_empty() {
            for (key, given) in [("params", expected.params.is_some()), ("text", expected.text.is_some())] {
                if given {
                    self.unmet(&below(key), of("the call"), "one", "none", why(step));
                }
            }
        }
        if let Some(list) = &expected.calls {
            if list.len() == calls.len() {
                for (index, (expected, call)) in list.iter().zip(&calls).enumerate() {
                    let subject = format!("the call {} of the step `{}`", index + 1, step.id);
                    self.call(&format!("{at}/calls/{index}"), &subject, expected, call);
                }
            } else {
                let counted = |count: usize| count.to_string();
                self.unmet(
                    &below("calls"),
                    of("the calls"),
                    counted(list.len()),
                    counted(calls.len()),
                    why(step),
                );
            }
        }
    }

    fn call(&mut self, at: &str, subject: &str, expected: &ExpectedCall, call: &MadeCall) {
        if let Some(part) = &expected.params {
            self.part(
                &format!("{at}/params"),
                &format!("the params of {subject}"),
                part,
                &call.params,
            );
        }
        let Some(expected) = &expected.text else { return };
        let got = match &call.text {
            Some(Ok(text)) if same_words(expected, text) => return,
            Some(Ok(text)) => text.trim().to_owned(),
            Some(Err(error)) => format!("none: {error}"),
            None => "none: its type has no templates".to_owned(),
        };
        self.unmet(
            &format!("{at}/text"),
            format!("the text of {subject}"),
            expected.trim(),
            got,
            None,
        );
    }

    /// Whether a value has all that a part of it has.
    fn part(&mut self, at: &str, subject: &str, part: &Value, found: &Value) {
        match (part, found) {
            (Value::Object(part), Value::Object(found)) => {
                for (key, value) in part {
                    let below = format!("{at}/{}", escape_key(key));
                    let subject = format!("`{key}` in {subject}");
                    let Some(there) = found.get(key) else {
                        let near = nearest(key, found.keys().map(String::as_str));
                        let hint = near.map(|near| format!("did you mean `{near}`?"));
                        self.unmet(&below, subject, shown(value), "nothing", hint);
                        continue;
                    };
                    self.part(&below, &subject, value, there);
                }
            }
            (Value::Array(part), Value::Array(items)) if part.len() == items.len() => {
                for (index, (part, item)) in part.iter().zip(items).enumerate() {
                    let subject = format!("item {} of {subject}", index + 1);
                    self.part(&format!("{at}/{index}"), &subject, part, item);
                }
            }
            (part, found) if part == found => {}
            (part, found) => {
                let (expected, got) = (shown(part), shown(found));
                let hint = match (part, found) {
                    (Value::String(part), _) if *part == got => Some("in quotes it is a text: leave them out"),
                    (_, Value::String(found)) if *found == expected => Some("it is a text: put it in quotes"),
                    _ => None,
                };
                self.unmet(at, subject, expected, got, hint.map(str::to_owned));
            }
        }
    }
}

/// Why a step ended as it did, as far as that is known.
fn why(step: &StepReport) -> Option<String> {
    if let Some(error) = &step.error {
        let first = error.message.lines().next().unwrap_or_default();
        return Some(format!("the step `{}` failed, {}: {first}", step.id, error.kind));
    }
    let reason = step.reason?;
    Some(format!("the step `{}` is skipped: {}", step.id, word(reason)))
}

/// How a value of the report is written.
fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// A value, short enough to be read.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    let end = text.floor_char_boundary(LONGEST);
    if end == text.len() {
        text
    } else {
        format!("{}…", &text[..end])
    }
}

/// Whether two texts are the same but for white space.
fn same_words(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}
