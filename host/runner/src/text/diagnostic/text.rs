//! Problems as text, for a terminal.
//!
//! Everything shown may be hostile: a file name, a key, an alert. No control character reaches the terminal as it is.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Diagnostics, Label};
use crate::text::url::{with_masked_userinfo, without_userinfo};
use crate::text::visible::{is_hidden, visible};

/// How much is underlined at most, in bytes: more than a line does not help to see what is meant.
const LONGEST_UNDERLINE: usize = 100;

/// How much of a line is looked at before and after what is meant, in bytes; more than a terminal shows.
const LONGEST_LINE: usize = 10_000;

impl Diagnostic {
    /// The problem as text, the offending part underlined; with ANSI styles if wanted.
    pub fn render(&self, styled: bool) -> String {
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        let message = without_userinfo(&self.message);
        let title = Level::ERROR.primary_title(&*message).id(self.code.word());
        let mut group = Group::with_title(title);
        // Labels that are near each other share a snippet.
        for labels in self.labels.chunk_by(|one, other| one.place.is_near(&other.place)) {
            let primary_first = std::ptr::eq(&raw const labels[0], &raw const self.labels[0]);
            let file = visible(&without_userinfo(labels[0].place.file())).into_owned();
            group = match (snippet(labels, primary_first), labels[0].place.lines_columns()) {
                (Some(Shown { snippet, cut: false }), _) => group.element(snippet.path(file)),
                // The renderer cannot tell the column of a line whose begin it does not see.
                (Some(Shown { snippet, .. }), Some(((line, column), _))) => {
                    let origin = Origin::path(file).line(line).char_column(column);
                    group.element(origin).element(snippet)
                }
                _ => group.element(Origin::path(file)),
            };
        }
        let hint = self.hint.as_deref().map(without_userinfo);
        if let Some(hint) = &hint {
            group = group.element(Level::HELP.message(&**hint));
        }
        renderer.render(&[group])
    }
}

impl Diagnostics {
    /// All problems as text, a blank line between them; with ANSI styles if wanted.
    pub fn render(&self, styled: bool) -> String {
        self.0
            .iter()
            .map(|diagnostic| diagnostic.render(styled))
            .collect::<Vec<_>>()
            .join("\n\n")
    }
}

/// The lines of one file that labels are in.
struct Shown<'a> {
    snippet: Snippet<'a, Annotation<'a>>,
    /// Whether the first line is not shown from its begin.
    cut: bool,
}

/// The lines of one file that labels are in; none if they are about the file as a whole.
fn snippet(labels: &[Label], primary_first: bool) -> Option<Shown<'_>> {
    let text = labels.first()?.place.text();
    let spans: Vec<Range<usize>> = labels
        .iter()
        .map(|label| label.place.underlined())
        .collect::<Option<_>>()?;
    let first = spans.iter().map(|span| span.start).min()?;
    let last = spans.iter().map(|span| span.end).max()?;
    let mut start = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
    let mut end = text[last..].find('\n').map_or(text.len(), |newline| last + newline);
    let line = 1 + text[..start].matches('\n').count();
    end = last.max(start + text[start..end].trim_end_matches('\r').len());
    // Of a very long line, the part around what is meant is enough.
    let (mut before, mut after) = ("", "");
    if first - start > LONGEST_LINE {
        (start, before) = (text.floor_char_boundary(first - LONGEST_LINE), "...");
    }
    if end - last > LONGEST_LINE {
        (end, after) = (text.ceil_char_boundary(last + LONGEST_LINE), "...");
    }
    let shown = format!("{before}{}{after}", harmless(&with_masked_userinfo(&text[start..end])));
    let mut snippet = Snippet::source(shown).line_start(line);
    let offset = |at: usize| before.len() + at - start;
    for (index, (label, span)) in labels.iter().zip(spans).enumerate() {
        let shown_end = text.floor_char_boundary(span.end.min(span.start + LONGEST_UNDERLINE));
        let kind = if index == 0 && primary_first {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let annotation = kind.span(offset(span.start)..offset(shown_end.max(span.start)));
        snippet = snippet.annotation(annotation.label(label.text.as_deref()));
    }
    let cut = !before.is_empty();
    Some(Shown { snippet, cut })
}

/// The same text, every character as long as before, with what could act on a terminal replaced; the renderer itself takes
/// care of ASCII's control characters.
fn harmless(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| is_hidden(c) && !c.is_ascii();
    if !text.contains(|c| hidden(c) || c == '\r') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c.len_utf8() {
            // Of a line's end.
            1 if c == '\r' => shown.push(' '),
            2 if hidden(c) => shown.push('·'),
            3 if hidden(c) => shown.push('\u{fffd}'),
            4 if hidden(c) => shown.push_str("··"),
            _ => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::super::Code;
    use super::*;
    use crate::text::document::Document;
    use crate::text::source::Source;

    #[test]
    fn no_url_is_shown_with_its_password() {
        let text = "params: {base_url: 'http://u:hunter2@h/', other: 1}";
        let (document, _) = Document::parse(Source::new("http://u:hunter2@h/a.yaml", text)).unwrap();
        let problem =
            Diagnostic::error(Code::InvalidValue, "not http://u:hunter2@h").at(document.place("/params/other"));
        let shown = problem.render(false);
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(
            shown.contains("'http://*********@h/', other: 1"),
            "places stay: {shown}"
        );
    }
}
