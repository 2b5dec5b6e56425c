//! What a YAML parser complains about, in words a playbook author can use.

use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::source::Source;

const QUOTE: &str = "put a text that holds `: `, ` #` or begins with a sign in quotes";
const INDENT: &str = "entries of the same map or list begin at the same column";

/// What is said about a document that is nested too deeply.
pub(crate) const TOO_DEEP: &str = "values are nested more than 64 deep";

/// What the parser says (or how that begins), and how we say it: the message and a hint.
const WORDS: [(&str, &str, &str); 22] = [
    (
        "simple key expect",
        "this is neither a key with its value nor part of the value above",
        "write `key: value`, and begin each key of a map at the same column",
    ),
    (
        "mapping values are not allowed",
        "a second `: ` in the same line",
        QUOTE,
    ),
    (
        "while parsing a block mapping, did not find expected key",
        "this line does not fit the map it is in",
        INDENT,
    ),
    (
        "while parsing a block collection",
        "this line does not fit the list it is in",
        INDENT,
    ),
    (
        "block sequence entries are not allowed",
        "a list cannot begin here",
        "begin the first `- ` on a line of its own, below its key",
    ),
    (
        "while parsing a flow sequence",
        "a list that begins with `[` is not closed with `]`, or a comma is missing in it",
        "close it, or part its entries with commas",
    ),
    (
        "while parsing a flow mapping",
        "a map that begins with `{` is not closed with `}`, or a comma is missing in it",
        "close it, or part its entries with commas; a template needs quotes: \"{{ … }}\"",
    ),
    (
        "while scanning a quoted scalar, found unexpected end",
        "a quote is opened and never closed",
        "close it where the text ends",
    ),
    (
        "while scanning a quoted scalar, found unexpected document indicator",
        "`---` or `...` begins a line inside a quoted text",
        "indent the line, or close the quote before it",
    ),
    (
        "invalid indentation in quoted scalar",
        "a quoted text goes on in a line that is not indented",
        "indent the line, or close the quote before it",
    ),
    (
        "invalid trailing content after double-quoted",
        "something follows the closing quote",
        "put the whole text in quotes; inside them `\"` is written `\\\"`",
    ),
    (
        "while parsing a quoted scalar, found unknown escape",
        "an unknown escape in a text in double quotes",
        "write `\\\\` for a backslash, or use single quotes, in which it means nothing",
    ),
    (
        "while parsing a quoted scalar",
        "an escape in a text in double quotes does not stand for a character",
        "write `\\\\` for a backslash, or use single quotes, in which it means nothing",
    ),
    (
        "tab",
        "a tab stands where YAML allows spaces only",
        "indent with spaces",
    ),
    (
        "while scanning a plain scalar, found a tab",
        "a tab stands where YAML allows spaces only",
        "indent with spaces",
    ),
    (
        "a block scalar content cannot start with a tab",
        "a tab stands where YAML allows spaces only",
        "indent with spaces",
    ),
    ("while parsing node, found unknown anchor", "", ""),
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
        "found unprintable character",
        "a control character, which YAML does not allow",
        "in a text in double quotes it can be written as an escape such as `\\x1b`",
    ),
    (
        "invalid indentation in flow construct",
        "a line inside `[ ]` or `{ }` is indented less than the key it belongs to",
        INDENT,
    ),
    ("unexpected character", "a text cannot begin with this sign", QUOTE),
];

/// The problem at this byte.
pub(crate) fn explain(source: &Arc<Source>, info: &str, offset: usize) -> Diagnostic {
    let at = |code, message: String, span| Diagnostic::error(code, message).at(Place::bytes(source.clone(), span));
    if info.starts_with("while parsing node, found unknown anchor") {
        let name = word(source.text(), offset);
        let message = format!(
            "the alias `{name}` stands for nothing: there is no anchor `&{}` before it",
            name.trim_start_matches('*')
        );
        return at(Code::UnknownAlias, message, offset..offset + name.len())
            .hint("put a text that begins with `*` in quotes");
    }
    if info == "recursion limit exceeded" {
        return at(Code::TooDeep, TOO_DEEP.to_owned(), offset..offset);
    }
    match WORDS.iter().find(|(begins, _, _)| info.starts_with(begins)) {
        Some((_, message, hint)) => {
            at(Code::YamlSyntax, format!("this is not YAML: {message}"), offset..offset).hint(*hint)
        }
        None => at(Code::YamlSyntax, format!("this is not YAML: {info}"), offset..offset).hint(QUOTE),
    }
}

/// What is written from here to the next blank or sign.
fn word(text: &str, offset: usize) -> &str {
    let rest = text.get(offset..).unwrap_or_default();
    let end = rest.find(|c: char| c.is_whitespace() || ",[]{}".contains(c));
    &rest[..end.unwrap_or(rest.len())]
}
