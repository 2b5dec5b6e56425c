//! What a YAML parser complains about, in words a playbook author can use.

use std::ops::Range;
use std::sync::Arc;

use crate::text::diagnostic::{Code, Diagnostic, Place};
use crate::text::scalar_span;
use crate::text::source::Source;

/// What is said about a document that is nested too deeply.
pub(crate) const TOO_DEEP: &str = "values are nested more than 64 deep";

const QUOTE: &str = "put a text that holds `: `, ` #` or begins with a sign in quotes";
const COLUMN: &str = "entries of the same map or list begin at the same column";
const BACKSLASH: &str = "write `\\\\` for a backslash, or use single quotes, in which it means nothing";
const CLOSE: &str = "close it, or part its entries with commas";
const TAB: &str = "a tab stands where YAML allows spaces only";
const UNFIT: &str = "this line does not fit what it is in";

/// What the parser says (or how that begins), and how we say it: the message and a hint.
const WORDS: [(&str, &str, &str); 17] = [
    ("while parsing a block mapping", UNFIT, COLUMN),
    ("while parsing a block collection", UNFIT, COLUMN),
    (
        "block sequence entries are not allowed",
        "a list cannot begin here",
        "begin the first `- ` on a line of its own, below its key",
    ),
    (
        "while parsing a flow sequence",
        "a list that begins with `[` is not closed with `]`, or a comma is missing in it",
        CLOSE,
    ),
    (
        "while parsing a flow mapping",
        "a map that begins with `{` is not closed with `}`, or a comma is missing in it",
        CLOSE,
    ),
    (
        "illegal placement of ':'",
        "a `:` where none can be; a `[` or `{` before it may not be closed",
        CLOSE,
    ),
    (
        "while scanning a quoted scalar, found unexpected document indicator",
        "`---` or `...` begins a line inside a quoted text",
        "indent the line, or close the quote before it",
    ),
    (
        "invalid trailing content after double-quoted",
        "something follows the closing quote",
        "put the whole text in quotes; inside them `\"` is written `\\\"`",
    ),
    (
        "while parsing a quoted scalar",
        "an escape in a text in double quotes does not stand for a character",
        BACKSLASH,
    ),
    ("tab", TAB, "indent with spaces"),
    ("while scanning a plain scalar, found a tab", TAB, "indent with spaces"),
    (
        "a block scalar content cannot start with a tab",
        TAB,
        "indent with spaces",
    ),
    (
        "wrongly indented line in block scalar",
        "a line of a block text is indented less than its first line",
        "indent all lines of the text at least as far as the first",
    ),
    (
        "while scanning a block scalar",
        "after `|` or `>` the text begins in the next line",
        "move the text to a line of its own, indented",
    ),
    (
        "invalid indentation in flow construct",
        "a line inside `[ ]` or `{ }` is indented less than the key it belongs to",
        COLUMN,
    ),
    (
        "while scanning an anchor or alias",
        "`&` and `*` need a name",
        "put a text that begins with such a sign in quotes",
    ),
    (
        "comment intercepting the multiline text",
        "a comment stands inside a text of several lines",
        "move the comment, or put the text in quotes",
    ),
];

/// The problem at this byte.
pub(crate) fn explain(source: &Arc<Source>, info: &str, offset: usize) -> Diagnostic {
    let text = source.text();
    let syntax = |message: &str, span: Range<usize>, hint: &str| {
        Diagnostic::error(Code::YamlSyntax, format!("this is not YAML: {message}"))
            .at(Place::bytes(source.clone(), span))
            .hint(hint)
    };
    let here = offset..offset;
    if info == "recursion limit exceeded" {
        return Diagnostic::error(Code::TooDeep, TOO_DEEP).at(Place::bytes(source.clone(), here));
    }
    if info.contains("found unknown anchor") {
        let alias = word(text, offset);
        let anchor = alias.trim_start_matches('*');
        let message = format!("the alias `{alias}` stands for nothing: there is no anchor `&{anchor}` before it");
        return Diagnostic::error(Code::UnknownAlias, message)
            .at(Place::bytes(source.clone(), offset..offset + alias.len()))
            .hint("put a text that begins with `*` in quotes");
    }
    if info.contains("unknown escape") {
        let escape = scalar_span::unknown_escape(text, offset).unwrap_or(here);
        return syntax("an unknown escape in a text in double quotes", escape, BACKSLASH);
    }
    if info.contains("found unexpected end of stream") || info.starts_with("invalid indentation in quoted") {
        let mut rest = text[offset..].chars();
        let closes = rest.next().is_some_and(|quote| rest.as_str().contains(quote));
        return if closes {
            let message = "a text in quotes goes on in a line that is not indented";
            syntax(message, here, "indent the line, or close the quote before it")
        } else {
            syntax("this quote is never closed", here, "close it where the text ends")
        };
    }
    if info.starts_with("simple key expect") {
        // The parser noticed when the next line began.
        let message = "this line is neither a key with its value nor part of the value above";
        return syntax(message, line_before(text, offset), "write `key: value`");
    }
    if info.starts_with("mapping values are not allowed") {
        let line = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        return if text[line..offset].contains(": ") {
            syntax("a second `: ` in the same line", here, QUOTE)
        } else {
            syntax("this line is indented further than the map it belongs to", here, COLUMN)
        };
    }
    if info.starts_with("unexpected character")
        && let Some(sign) = text[offset..].chars().next()
    {
        return syntax(&format!("a text cannot begin with `{sign}`"), here, QUOTE);
    }
    match WORDS.iter().find(|(begins, _, _)| info.starts_with(begins)) {
        Some((_, message, hint)) => syntax(message, here, hint),
        None => syntax(info, here, QUOTE),
    }
}

/// What is written from here to the next blank or sign.
fn word(text: &str, offset: usize) -> &str {
    let rest = text.get(offset..).unwrap_or_default();
    let end = rest.find(|c: char| c.is_whitespace() || ",[]{}".contains(c));
    &rest[..end.unwrap_or(rest.len())]
}

/// The last line before this one that is not blank, or this one if there is none.
fn line_before(text: &str, offset: usize) -> Range<usize> {
    let line = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[..line].trim_end().len();
    let start = text[..end].rfind('\n').map_or(0, |newline| newline + 1);
    let start = start + text[start..end].len() - text[start..end].trim_start().len();
    if start < end { start..end } else { offset..offset }
}
