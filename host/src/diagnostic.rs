//! Problems in what people wrote, shown the way a good compiler does.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use crate::source::Source;

/// A problem: what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    code: &'static str,
    message: String,
    place: Option<Place>,
    hint: Option<String>,
}

/// A range of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    source: Arc<Source>,
    span: Range<usize>,
}

/// All problems found in one go. Never empty where it is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

/// A problem for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record<'a> {
    /// The file, as the user named it.
    pub file: Option<&'a str>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// A stable word for this kind of problem.
    pub code: &'a str,
    /// What is wrong.
    pub message: &'a str,
    /// What to do next.
    pub hint: Option<&'a str>,
}

impl Place {
    /// A byte range of a text.
    pub(crate) fn bytes(source: Arc<Source>, span: Range<usize>) -> Self {
        let end = span.end.min(source.text.len());
        Self {
            span: span.start.min(end)..end,
            source,
        }
    }

    /// The character at a line and column, from 1.
    fn position(source: Arc<Source>, line: usize, column: usize) -> Self {
        let line_start: usize = source.text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        let rest = &source.text[line_start..];
        let start = line_start + rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at);
        Self::bytes(source, start..start)
    }

    /// Line and column, from 1.
    fn line_column(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.span.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }
}

impl Diagnostic {
    /// A problem of the kind `code`.
    pub(crate) fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            place: None,
            hint: None,
        }
    }

    #[must_use]
    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// The same problem, saying of what among many it is one.
    #[must_use]
    pub(crate) fn about(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// A stable word for this kind of problem.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The problem as an object with file, line and column.
    pub fn record(&self) -> Record<'_> {
        let position = self.place.as_ref().map(Place::line_column);
        Record {
            file: self.place.as_ref().map(|place| place.source.name.as_str()),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            code: self.code,
            message: &self.message,
            hint: self.hint.as_deref(),
        }
    }

    /// The problem as text, the offending part underlined; with ANSI styles if wanted.
    pub fn render(&self, styled: bool) -> String {
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        let title = Level::ERROR.primary_title(self.message.as_str()).id(self.code);
        let mut group = match &self.place {
            Some(place) => title.element(
                Snippet::source(place.source.text.as_str())
                    .path(place.source.name.as_str())
                    .annotation(AnnotationKind::Primary.span(place.underlined())),
            ),
            None => annotate_snippets::Group::with_title(title),
        };
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        renderer.render(&[group]).clone()
    }
}

impl Place {
    /// The first line of the range, since underlining a whole block hides what is meant; at least one character.
    fn underlined(&self) -> Range<usize> {
        let text = &self.source.text[self.span.clone()];
        let end = self.span.start + text.find('\n').unwrap_or(text.len());
        if end > self.span.start {
            return self.span.start..end;
        }
        let next = self.source.text[self.span.start..]
            .chars()
            .next()
            .filter(|c| *c != '\n');
        self.span.start..self.span.start + next.map_or(0, char::len_utf8)
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

    pub(crate) fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        self.0.extend(diagnostics);
    }

    /// The same problems with their places but without any of the text they were found in, which may be secret.
    pub(crate) fn without_text(mut self) -> Self {
        for diagnostic in &mut self.0 {
            diagnostic.place = diagnostic.place.take().map(|place| {
                let text = place
                    .source
                    .text
                    .chars()
                    .map(|c| if c == '\n' { '\n' } else { '•' })
                    .collect();
                let (line, column) = place.line_column();
                let source = Arc::new(Source {
                    name: place.source.name.clone(),
                    text,
                });
                Place::position(source, line, column)
            });
        }
        self
    }

    /// Succeeds with `value` if nothing was found.
    pub(crate) fn or<T>(mut self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            return Ok(value);
        }
        self.0
            .sort_by_key(|diagnostic| diagnostic.place.as_ref().map(|place| place.span.start));
        Err(self)
    }

    /// All problems as text, a blank line between them; with ANSI styles if wanted.
    pub fn render(&self, styled: bool) -> String {
        self.0
            .iter()
            .map(|diagnostic| diagnostic.render(styled))
            .collect::<Vec<_>>()
            .join("\n\n")
    }
}

impl From<Vec<Diagnostic>> for Diagnostics {
    fn from(diagnostics: Vec<Diagnostic>) -> Self {
        Self(diagnostics)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// The known name nearest to a misspelt one, if one is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// "did you mean …" for a misspelt name, and what there is.
pub(crate) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    let all: Vec<&str> = known.clone().into_iter().collect();
    match (nearest(name, known), all.is_empty()) {
        (Some(near), _) => Some(format!("did you mean `{near}`?")),
        (None, false) => Some(format!("known here: {}", all.join(", "))),
        (None, true) => None,
    }
}
