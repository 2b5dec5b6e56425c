//! A parsed document that knows where its values stand.
//!
//! Two parsers read every document. The first only looks: it knows where each value stands and refuses what the second
//! would accept in silence (see [`Outline`]). The second makes the values.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::text::diagnostic::{Code, Diagnostic, Diagnostics, Place};
use crate::text::outline::{Outline, Spans};
use crate::text::scalar_span;
use crate::text::source::Source;

mod unique;

use unique::TWICE;
pub(crate) use unique::Unique;

/// A parsed YAML (or JSON) document.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    source: Arc<Source>,
    value: Value,
    outline: Outline,
}

impl Document {
    /// Reads a YAML document; JSON is YAML, and a file that is called so must be. Beside the document come problems that do
    /// not keep it from being looked at further.
    pub(crate) fn parse(source: Source) -> Result<(Self, Diagnostics), Diagnostics> {
        source.check_size()?;
        let source = Arc::new(source);
        let json = is_json(source.name());
        let text = if json {
            without_surrogates(source.text())
        } else {
            source.text().into()
        };
        if let Some(problem) = control_character(&source, json) {
            return Err(problem.into());
        }
        let outline = Outline::read(&source, &text);
        let is_syntax = |problems: &Diagnostics| problems.iter().any(|problem| problem.code() == Code::YamlSyntax);
        if json && !outline.as_ref().is_err_and(|problems| !is_syntax(problems)) {
            // What is wrong with the JSON is said in its own words.
            let value = parse_json(&source)?;
            let (outline, problems) = outline?;
            return Ok((Self { source, value, outline }, problems));
        }
        let (outline, mut problems) = outline?;
        match serde_yaml::from_str(source.text()) {
            Ok(value) => Ok((Self { source, value, outline }, problems)),
            // The first pass found what this one stumbled over; how this one puts it may show values.
            Err(_) if !problems.is_empty() => Err(problems),
            Err(error) => {
                let offset = error.location().map_or(0, |location| location.index());
                let problem = Diagnostic::error(Code::YamlSyntax, "this is not YAML that can be read here");
                problems.push(problem.at(Place::bytes(source.clone(), offset..offset)));
                Err(problems)
            }
        }
    }

    /// The text it was read from.
    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The value.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// The value alone.
    pub(crate) fn into_value(self) -> Value {
        self.value
    }

    /// Where the value at a JSON pointer stands; if there is none, where the nearest value around it stands.
    pub(crate) fn span(&self, pointer: &str) -> Range<usize> {
        self.outline.nearest(pointer).map_or(0..0, |spans| spans.value)
    }

    /// Where the key of the value at a JSON pointer stands; list items have none, so the value's place is given.
    pub(crate) fn key_span(&self, pointer: &str) -> Range<usize> {
        match self.outline.nearest(pointer) {
            Some(Spans { key: Some(key), .. }) => key,
            Some(spans) => spans.value,
            None => 0..0,
        }
    }

    /// Where `range` of the text at a JSON pointer stands, however that text is written.
    pub(crate) fn span_within(&self, pointer: &str, range: Range<usize>) -> Range<usize> {
        let Some(Spans {
            value: whole, style, ..
        }) = self.outline.nearest(pointer)
        else {
            return 0..0;
        };
        let text = self.value.pointer(pointer).and_then(Value::as_str);
        let written = &self.source.text()[whole.clone()];
        match (style, text) {
            (Some(style), Some(text)) => scalar_span::find(written, style, text, range)
                .map_or(whole.clone(), |within| {
                    whole.start + within.start..whole.start + within.end
                }),
            _ => whole,
        }
    }

    /// The place of a value.
    pub(crate) fn place(&self, pointer: &str) -> Place {
        Place::bytes(self.source.clone(), self.span(pointer))
    }

    /// The place of a key.
    pub(crate) fn key_place(&self, pointer: &str) -> Place {
        Place::bytes(self.source.clone(), self.key_span(pointer))
    }
}

/// Reads a JSON text.
pub(crate) fn parse_json<T: DeserializeOwned>(source: &Arc<Source>) -> Result<T, Diagnostic> {
    serde_json::from_str(source.text()).map_err(|error| {
        let message = error.to_string();
        // The place is shown, so the words need not say it.
        let message = message.split(" at line ").next().unwrap_or_default();
        // The column counts bytes, and is that of the last one that was read; at a line's end, it is 0 in the next.
        let lines = source.text().split_inclusive('\n');
        let start: usize = lines.take(error.line().saturating_sub(1)).map(str::len).sum();
        let at = source
            .text()
            .floor_char_boundary(start + error.column().saturating_sub(1));
        let (at, words, hint) = if error.is_eof() {
            let end = source.text().trim_end().len();
            let words = message.replace("EOF while parsing", "it ends inside");
            (end, words, "close the bracket or the quote")
        } else if message.starts_with("trailing comma") {
            let comma = source.text()[..at].rfind(',').unwrap_or(at);
            (comma, message.to_owned(), "remove the comma before the closing bracket")
        } else if message.starts_with("key must be a string") {
            let words = "a name must be a text".to_owned();
            (at, words, "names are written in double quotes")
        } else if message.starts_with("trailing characters") {
            let words = "something follows the value".to_owned();
            (at, words, "a JSON file holds one value, and it ends before this")
        } else if message.starts_with("control character") {
            let words = "a control character inside a text".to_owned();
            (at, words, "write it as an escape, such as `\\n` or `\\u0001`")
        } else if message == TWICE {
            // It was noticed at the quote that ends the name.
            let mut quotes = source.text()[..at].match_indices('"').rev();
            let start = quotes.find(|(quote, _)| !source.text()[..*quote].ends_with('\\'));
            let start = start.map_or(at, |(quote, _)| quote);
            let end = source.text().ceil_char_boundary(at + 1);
            return Diagnostic::error(Code::DuplicateKey, "this name stands twice in one object")
                .at(Place::bytes(source.clone(), start..end))
                .hint("readers of JSON differ in which of the two they take; whoever sends this must send one");
        } else if message.starts_with("recursion limit") {
            let place = Place::bytes(source.clone(), at..at);
            return Diagnostic::error(Code::TooDeep, "values are nested more than 127 deep").at(place);
        } else {
            let hint = "names and texts are written in double quotes, and entries are parted by commas";
            (at, message.to_owned(), hint)
        };
        Diagnostic::error(Code::JsonSyntax, format!("this is not JSON: {words}"))
            .at(Place::bytes(source.clone(), at..at))
            .hint(hint)
    })
}

/// The first character that YAML does not allow, or that the two parsers disagree on: whether it ends a line.
fn control_character(source: &Arc<Source>, json: bool) -> Option<Diagnostic> {
    let ends_lines = |c: char| !json && ['\u{2028}', '\u{2029}'].contains(&c);
    let allowed = |c: char| ['\t', '\n', '\r'].contains(&c) || !(c.is_control() || ends_lines(c));
    let (at, found) = source.text().char_indices().find(|(_, c)| !allowed(*c))?;
    let code = u32::from(found);
    let message = format!("the control character U+{code:04X} is not allowed");
    Some(
        Diagnostic::error(Code::YamlSyntax, message)
            .at(Place::bytes(source.clone(), at..at + found.len_utf8()))
            .hint(format!("in a text in double quotes it can be written `\\u{code:04x}`")),
    )
}

/// A JSON text without the pairs of escapes that JSON has for characters beyond the first 65,536, and YAML does not. Their
/// place is kept by zeros.
fn without_surrogates(text: &str) -> Cow<'_, str> {
    let is_pair = |at: usize| {
        let hex = |at: usize| u16::from_str_radix(text.get(at + 2..at + 6)?, 16).ok();
        text[at + 6..].starts_with("\\u") && hex(at).is_some_and(|unit| (0xd800..0xdc00).contains(&unit))
    };
    let starts = text.match_indices("\\u").map(|(at, _)| at);
    let pairs: Vec<usize> = starts
        .filter(|at| text.is_char_boundary(at + 6) && is_pair(*at))
        .collect();
    if pairs.is_empty() {
        return text.into();
    }
    let mut kept = text.to_owned();
    for at in pairs {
        let end = at + 12;
        if kept
            .get(at..end)
            .is_some_and(|pair| pair.is_ascii() && !pair.contains(['"', '\n']))
        {
            kept.replace_range(at..end, "000000000000");
        }
    }
    kept.into()
}

fn is_json(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

#[cfg(test)]
mod tests;
