//! Tests of playbooks: what steps return is given, and what comes of it is compared with what is expected.
//!
//! A case is a run like any other: the same templates, conditions, branches, lists and retries. Only its calls are answered by
//! the test instead of by plugins, so nothing is sent, nothing is waited for, and no secret is needed.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::files;
use crate::run::report::RunStatus;
use crate::text::diagnostic::{Code, Diagnostic, Diagnostics, Place};
use crate::text::document::Document;
use crate::text::schema::Schema;

mod answers;
mod check;
mod expectation;
mod read;
mod run;

/// JSON Schema of a file of tests.
pub const TEST_SCHEMA: &str = include_str!("../../schemas/test.schema.json");

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let document = serde_json::from_str(TEST_SCHEMA).map_err(|error| error.to_string());
    let schema = document.and_then(Schema::compile);
    schema.expect("the schema of test files is valid")
});

/// What the names of test files have before their extension.
const INFIX: &str = ".test";

/// A parsed file of tests.
#[derive(Debug, Clone)]
pub struct TestFile {
    playbook: Option<String>,
    cases: Vec<Case>,
    document: Document,
}

/// A case.
#[derive(Debug, Clone)]
struct Case {
    name: String,
    alert: Option<Value>,
    vars: Option<Map<String, Value>>,
    now: Timestamp,
    /// The file of a recorded run, as it is written.
    record: Option<String>,
    /// What steps return, by their ids.
    answers: Vec<(String, WrittenAnswers)>,
    expected: Expected,
    /// Where it stands in the document, as a JSON pointer.
    pointer: String,
}

/// What a step's calls return.
#[derive(Debug, Clone)]
enum WrittenAnswers {
    Each(WrittenAttempts),
    Items(Vec<WrittenAttempts>),
}

/// What the attempts of a call return.
#[derive(Debug, Clone)]
enum WrittenAttempts {
    All(WrittenAnswer),
    List(Vec<WrittenAnswer>),
}

/// What a call returns.
#[derive(Debug, Clone)]
struct WrittenAnswer {
    result: Option<Value>,
    partial: Option<bool>,
    failure: Option<WrittenFailure>,
    /// Where it stands in the document, as a JSON pointer.
    pointer: String,
}

/// Why a call fails.
#[derive(Debug, Clone, Deserialize)]
struct WrittenFailure {
    kind: crate::sandbox::plugin::FailureKind,
    message: Option<String>,
    hint: Option<String>,
    #[serde(default)]
    acted: bool,
}

/// What is expected of a run.
#[derive(Debug, Clone, Default)]
struct Expected {
    status: Option<RunStatus>,
    runs: Option<Vec<String>>,
    invalid: Option<String>,
    steps: Vec<(String, ExpectedStep)>,
}

/// What is expected of a step.
#[derive(Debug, Clone, Default, Deserialize)]
struct ExpectedStep {
    /// Whether only the status is given, in the place of the map.
    #[serde(skip)]
    short: bool,
    status: Option<crate::run::report::StepStatus>,
    reason: Option<crate::run::report::SkipReason>,
    holds: Option<bool>,
    next: Option<String>,
    attempts: Option<u32>,
    items: Option<usize>,
    error: Option<String>,
    result: Option<Value>,
    params: Option<Value>,
    text: Option<String>,
    calls: Option<Vec<ExpectedCall>>,
}

/// What is expected of a call.
#[derive(Debug, Clone, Deserialize)]
struct ExpectedCall {
    params: Option<Value>,
    text: Option<String>,
}

/// What came of a file of tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TestReport {
    /// The file of tests, as the user named it.
    pub file: String,
    /// What became of each case, in the file's order.
    pub cases: Vec<CaseReport>,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CaseReport {
    /// What it is about.
    pub name: String,
    /// The line that it begins in.
    pub line: Option<usize>,
    /// Whether all was as expected.
    pub passed: bool,
    /// How the run ended; none if its input was invalid.
    pub status: Option<RunStatus>,
    /// What was not as expected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Unmet>,
}

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Unmet {
    /// The file that it stands in.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// What it is about.
    pub subject: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub got: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl TestFile {
    /// Whether a file is one of tests by its name: `triage.test.yaml`.
    pub fn is_named(path: &Path) -> bool {
        path.file_stem()
            .and_then(|stem| stem.to_str())
            .is_some_and(|stem| stem.len() > INFIX.len() && stem.ends_with(INFIX))
    }

    /// The file with the tests of a playbook: `triage.test.yaml` beside `triage.yaml`.
    pub fn beside(playbook: &Path) -> PathBuf {
        let mut name = playbook.file_stem().unwrap_or_default().to_owned();
        name.push(INFIX);
        if let Some(extension) = playbook.extension() {
            name.push(".");
            name.push(extension);
        }
        playbook.with_file_name(name)
    }

    /// The playbook that it tests: the one that it names, which must be below its own folder, or the one that it is called after.
    pub fn playbook(&self) -> Result<PathBuf, Diagnostics> {
        if let Some(named) = &self.playbook {
            return self.below(named, "/playbook").map_err(Diagnostics::from);
        }
        let path = Path::new(self.document.source().name());
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let mut name = stem.strip_suffix(INFIX).unwrap_or(stem).to_owned();
        if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
            name = format!("{name}.{extension}");
        }
        Ok(path.with_file_name(name))
    }

    /// A file that the value at a place names.
    fn below(&self, named: &str, pointer: &str) -> Result<PathBuf, Diagnostic> {
        files::below(self.directory(), named).map_err(|error| {
            Diagnostic::error(Code::UnreadableFile, format!("cannot read `{named}`: {error}"))
                .at(self.place(pointer))
                .hint("tests name files of their own folder, or of folders below it")
        })
    }

    /// What could be read, and its problems besides those of the document; with any its cases cannot be run.
    pub(crate) fn read(document: Document, problems: Diagnostics) -> (Self, Diagnostics) {
        read::file(document, problems)
    }

    /// The directory that it is in.
    fn directory(&self) -> &Path {
        Path::new(self.document.source().name())
            .parent()
            .unwrap_or(Path::new("."))
    }

    fn place(&self, pointer: &str) -> Place {
        self.document.place(pointer)
    }
}

impl TestReport {
    /// Whether every case passed.
    pub fn passed(&self) -> bool {
        self.cases.iter().all(|case| case.passed)
    }
}

impl Case {
    fn at(&self, below: &str) -> String {
        format!("{}{below}", self.pointer)
    }
}
