//! Where a problem is.

use std::ops::Range;
use std::sync::Arc;

use crate::text::source::Source;

/// How far apart places may be to be shown together, in bytes.
const NEAR: usize = 8_000;

/// A range of a text, or a file as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    source: Arc<Source>,
    /// In bytes, on character boundaries; none if the file as a whole is meant.
    span: Option<Range<usize>>,
}

impl Place {
    /// A byte range of a text.
    pub(crate) fn bytes(source: Arc<Source>, span: Range<usize>) -> Self {
        let text = source.text();
        let start = text.floor_char_boundary(span.start);
        let end = text.ceil_char_boundary(span.end.max(start));
        Self {
            source,
            span: Some(start..end),
        }
    }

    /// A file as a whole, whose text is not known or does not matter.
    pub(crate) fn whole(name: impl Into<String>) -> Self {
        Self {
            source: Arc::new(Source::new(name, "")),
            span: None,
        }
    }

    /// Where the character at a line and column, from 1, begins.
    pub(crate) fn offset(text: &str, line: usize, column: usize) -> usize {
        let above = text.split_inclusive('\n').take(line.saturating_sub(1));
        let line_start: usize = above.map(str::len).sum();
        let rest = &text[line_start..];
        let column = rest.char_indices().nth(column.saturating_sub(1));
        line_start + column.map_or(rest.len(), |(at, _)| at)
    }

    /// The name of the file.
    pub(crate) fn file(&self) -> &str {
        self.source.name()
    }

    /// The text around it.
    pub(super) fn text(&self) -> &str {
        self.source.text()
    }

    /// Where it begins, for sorting.
    pub(super) fn start(&self) -> usize {
        self.span.as_ref().map_or(0, |span| span.start)
    }

    /// Whether it is in the same file and not far away.
    pub(super) fn is_near(&self, other: &Self) -> bool {
        self.file() == other.file() && self.start().abs_diff(other.start()) <= NEAR
    }

    /// Line and column of its start and of the character after its end, from 1, in characters.
    pub(crate) fn lines_columns(&self) -> Option<((usize, usize), (usize, usize))> {
        let span = self.span.as_ref()?;
        Some((self.line_column(span.start), self.line_column(span.end)))
    }

    fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text()[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }

    /// What to underline: the first line of the range, since underlining a whole block hides what is meant; at least one
    /// character.
    pub(super) fn underlined(&self) -> Option<Range<usize>> {
        let span = self.span.as_ref()?;
        let text = &self.text()[span.clone()];
        let line = text.lines().next().unwrap_or_default();
        let end = span.start + line.trim_end().len();
        if end > span.start {
            return Some(span.start..end);
        }
        let next = self.text()[span.start..].chars().next();
        let next = next.filter(|c| !['\n', '\r'].contains(c));
        Some(span.start..span.start + next.map_or(0, char::len_utf8))
    }

    /// The same place in a text of which only the lines' lengths are left.
    pub(super) fn without_text(&self) -> Self {
        let Some(((line, column), (end_line, end_column))) = self.lines_columns() else {
            return self.clone();
        };
        let blank: String = self
            .text()
            .chars()
            .map(|c| if c == '\n' { '\n' } else { '•' })
            .collect();
        let source = Arc::new(Source::new(self.file(), blank));
        let at = |line, column| Self::offset(source.text(), line, column);
        Self::bytes(source.clone(), at(line, column)..at(end_line, end_column))
    }
}
