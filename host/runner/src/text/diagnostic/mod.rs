//! Problems in what people wrote, shown the way a good compiler does.
//!
//! What finds a problem says where in the terms it knows: a JSON pointer into a document, or a range of a template. The
//! document turns that into a [`Place`], a range of the text as it was written. From then on a problem is the same
//! whatever it is shown as: text ([`Diagnostics::render`]), objects ([`Diagnostic::record`]) or SARIF
//! ([`Diagnostics::sarif`]).

use std::fmt;

use serde::Serialize;

mod code;
mod place;
mod sarif;
mod suggest;
mod text;

pub use self::code::{Code, ExampleKind, Explanation};
pub(crate) use self::place::Place;
pub(crate) use self::suggest::{cut, nearest, suggestion};
use crate::text::visible::visible;

/// How many problems of one file are shown.
const MOST_PROBLEMS: usize = 200;

/// A problem: what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    code: Code,
    message: String,
    /// The first one is where the problem is; the others have to do with it.
    labels: Vec<Label>,
    hint: Option<String>,
}

/// A place, and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Label {
    place: Place,
    text: Option<String>,
}

/// All problems found in one go. Never empty where it is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

/// A problem for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FlatDiagnostic<'a> {
    /// The file, as the user named it.
    pub file: Option<&'a str>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// The line of the character after the last one.
    pub end_line: Option<usize>,
    /// The column of the character after the last one.
    pub end_column: Option<usize>,
    /// The kind of problem.
    pub code: Code,
    /// What is wrong.
    pub message: &'a str,
    /// What to do next.
    pub hint: Option<&'a str>,
    /// What is at the place, where that helps to see what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<&'a str>,
    /// Other places that have to do with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related<'a>>,
}

/// Another place that has to do with a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Related<'a> {
    /// The file, as the user named it.
    pub file: &'a str,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// What is there.
    pub message: &'a str,
}

impl Diagnostic {
    /// A problem of the kind `code`.
    pub(crate) fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: visible(&message.into()).into_owned(),
            labels: Vec::new(),
            hint: None,
        }
    }

    /// Says where the problem is.
    #[must_use]
    pub(crate) fn at(mut self, place: Place) -> Self {
        self.labels.insert(0, Label { place, text: None });
        self
    }

    /// Says something about the place of the problem, which was given before.
    #[must_use]
    pub(crate) fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = Some(visible(&text.into()).into_owned());
        }
        self
    }

    /// Adds a place that has to do with the problem; where the problem is was said before.
    #[must_use]
    pub(crate) fn related(mut self, place: Place, text: impl Into<String>) -> Self {
        let text = Some(visible(&text.into()).into_owned());
        self.labels.push(Label { place, text });
        self
    }

    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.maybe_hint(Some(hint.into()))
    }

    #[must_use]
    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.map(|hint| visible(&hint).into_owned()).or(self.hint);
        self
    }

    /// The same problem, saying of what among many it is one.
    #[must_use]
    pub(crate) fn about(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The kind of problem.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The problem as an object with file, line and column.
    pub fn record(&self) -> FlatDiagnostic<'_> {
        let place = self.place();
        let (start, end) = place.and_then(Place::lines_columns).unzip();
        FlatDiagnostic {
            file: place.map(Place::file),
            line: start.map(|(line, _)| line),
            column: start.map(|(_, column)| column),
            end_line: end.map(|(line, _)| line),
            end_column: end.map(|(_, column)| column),
            code: self.code,
            message: &self.message,
            hint: self.hint.as_deref(),
            label: self.labels.first().and_then(|label| label.text.as_deref()),
            related: self.labels.iter().skip(1).map(Label::record).collect(),
        }
    }

    fn place(&self) -> Option<&Place> {
        self.labels.first().map(|label| &label.place)
    }
}

impl Label {
    fn record(&self) -> Related<'_> {
        let start = self.place.lines_columns().map(|(start, _)| start);
        Related {
            file: self.place.file(),
            line: start.map(|(line, _)| line),
            column: start.map(|(_, column)| column),
            message: self.text.as_deref().unwrap_or_default(),
        }
    }
}

impl Diagnostics {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The problems, in the order of the text where they have a place.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds what was found elsewhere, behind what is there.
    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        self.0.extend(diagnostics);
    }

    /// The same problems with their places but without any of the text they were found in, which may be secret.
    pub(crate) fn without_text(mut self) -> Self {
        for diagnostic in &mut self.0 {
            // What a value was taken for is quoted by these.
            if let Code::YamlTag | Code::YamlKey | Code::UnknownAlias | Code::RecursiveAlias = diagnostic.code {
                let title = diagnostic.code.explanation().title;
                diagnostic.message = title[..1].to_lowercase() + &title[1..];
            }
            for label in &mut diagnostic.labels {
                label.place = label.place.without_text();
            }
        }
        self
    }

    /// Succeeds with `value` if nothing was found.
    pub(crate) fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            return Ok(value);
        }
        Err(self.in_order())
    }

    /// The problems of each file in the order of its text, each once.
    pub(crate) fn in_order(mut self) -> Self {
        let mut files: Vec<String> = Vec::new();
        self.0.sort_by_cached_key(|diagnostic| {
            let place = diagnostic.place()?;
            let known = files.iter().position(|file| file == place.file());
            let file = known.unwrap_or_else(|| {
                files.push(place.file().to_owned());
                files.len() - 1
            });
            Some((file, place.start()))
        });
        // The same can be found on two ways.
        let mut kept: Vec<Diagnostic> = Vec::with_capacity(self.0.len());
        for diagnostic in self.0 {
            let here = |other: &&Diagnostic| other.place() == diagnostic.place();
            if !kept.iter().rev().take_while(here).any(|other| *other == diagnostic) {
                kept.push(diagnostic);
            }
        }
        Self(kept).cut()
    }
}

impl Diagnostics {
    /// No more than can be read of each file; how many there are besides is said.
    fn cut(self) -> Self {
        let same_file = |one: &Diagnostic, other: &Diagnostic| match (one.place(), other.place()) {
            (Some(one), Some(other)) => one.file() == other.file(),
            (one, other) => one.is_none() && other.is_none(),
        };
        let mut kept = Vec::new();
        for problems in self.0.chunk_by(same_file) {
            let shown = &problems[..problems.len().min(MOST_PROBLEMS)];
            kept.extend_from_slice(shown);
            let more = problems.len() - shown.len();
            if let (Some(place), 1..) = (problems[0].place(), more) {
                let message = format!("there are {more} more problems in this file");
                let problem = Diagnostic::error(Code::TooManyProblems, message);
                kept.push(problem.at(Place::whole(place.file())).hint("mend these first"));
            }
        }
        Self(kept)
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(diagnostics: I) -> Self {
        Self(diagnostics.into_iter().collect())
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Vec<Diagnostic>> for Diagnostics {
    fn from(diagnostics: Vec<Diagnostic>) -> Self {
        Self(diagnostics)
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}
