//! Problems as text, for a terminal.
//!
//! Everything shown may be hostile: a file name, a key, an alert. No control character reaches the terminal as it is.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Diagnostics, Label};

/// How much is underlined at most, in bytes: more than a line does not help to see what is meant.
const LONGEST_UNDERLINE: usize = 100;

impl Diagnostic {
    /// The problem as text, the offending part underlined; with ANSI styles if wanted.
    pub fn render(&self, styled: bool) -> String {
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        let title = Level::ERROR.primary_title(self.message.as_str()).id(self.code.word());
        let mut group = Group::with_title(title);
        for (index, label) in self.labels.iter().enumerate() {
            let same_file = |other: &&Label| other.place.file() == label.place.file();
            if self.labels[..index].iter().any(|other| same_file(&other)) {
                continue;
            }
            let labels: Vec<&Label> = self.labels[index..].iter().filter(same_file).collect();
            let file = printable(label.place.file().to_owned());
            group = match snippet(&labels, index == 0) {
                Some(snippet) => group.element(snippet.path(file)),
                None => group.element(Origin::path(file)),
            };
        }
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
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

/// The lines of one file that labels are in; none if they are about the file as a whole.
fn snippet<'a>(labels: &[&'a Label], primary_first: bool) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let text = labels.first()?.place.text();
    let spans: Vec<Range<usize>> = labels
        .iter()
        .map(|label| label.place.underlined())
        .collect::<Option<_>>()?;
    let first = spans.iter().map(|span| span.start).min()?;
    let last = spans.iter().map(|span| span.end).max()?;
    let start = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[last..].find('\n').map_or(text.len(), |newline| last + newline);
    let end = start + text[start..end].trim_end_matches('\r').len();
    let mut snippet =
        Snippet::source(harmless(&text[start..end.max(last)])).line_start(1 + text[..start].matches('\n').count());
    for (index, (label, span)) in labels.iter().zip(spans).enumerate() {
        let shown_end = text.floor_char_boundary(span.end.min(span.start + LONGEST_UNDERLINE));
        let kind = if index == 0 && primary_first {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let annotation = kind.span(span.start - start..shown_end.max(span.start) - start);
        snippet = snippet.annotation(annotation.label(label.text.as_deref()));
    }
    Some(snippet)
}

/// A text with what could act on a terminal spelt out.
pub(super) fn printable(text: String) -> String {
    if !text.contains(acts) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            c if acts(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// The same text, every character as long as before, with what could act on a terminal replaced; the renderer itself takes
/// care of ASCII's control characters.
fn harmless(text: &str) -> Cow<'_, str> {
    let beyond_ascii = |c: char| acts(c) && !c.is_ascii();
    if !text.contains(|c| beyond_ascii(c) || c == '\r') {
        return Cow::Borrowed(text);
    }
    let replace = |c: char| match c.len_utf8() {
        // Of a line's end.
        1 if c == '\r' => ' ',
        2 if beyond_ascii(c) => '·',
        3 if beyond_ascii(c) => '\u{fffd}',
        _ => c,
    };
    text.chars().map(replace).collect()
}

/// Whether a character could move the cursor, change the direction of the text or end the line.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
