//! What holds for everything that plugins say of themselves. They are code, and may lie; what they say is shown to people
//! and compiled, outside of the sandbox.

use std::collections::HashSet;

use crate::secrets::Redactor;

/// The most things of a kind that a plugin may describe.
const MOST: usize = 200;

/// The longest name, in bytes.
const LONGEST_NAME: usize = 64;

/// The longest line for people, in bytes.
const LONGEST_LINE: usize = 500;

/// The longest text, such as a schema or a template's statement, in bytes.
const LONGEST_TEXT: usize = 1 << 18;

/// Refuses more of a kind than can be meant, and two with one name.
pub(crate) fn check_names<'n>(what: &str, names: impl ExactSizeIterator<Item = &'n str>) -> Result<(), String> {
    if names.len() > MOST {
        return Err(format!("it has {} {what}s, and may have {MOST}", names.len()));
    }
    let mut seen = HashSet::new();
    for name in names {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
            let shown = crate::text::diagnostic::cut(name);
            let shown = crate::text::visible::visible(&shown);
            return Err(format!(
                "`{shown}` cannot name a {what}: names have up to {LONGEST_NAME} letters, digits, `_`, `-` and `.`"
            ));
        }
        if !seen.insert(name) {
            return Err(format!("two of its {what}s are called `{name}`"));
        }
    }
    Ok(())
}

/// Refuses what is no line for people.
pub(crate) fn check_line(of: &str, line: &str) -> Result<(), String> {
    if line.len() > LONGEST_LINE || line.chars().any(crate::text::visible::is_hidden) {
        return Err(format!(
            "the summary of `{of}` is not one plain line of up to {LONGEST_LINE} bytes"
        ));
    }
    Ok(())
}

/// The longest explanation that is passed on, in bytes.
const LONGEST_WORDS: usize = 4_000;

/// The most remarks of a kind that are passed on.
const MOST_REMARKS: usize = 20_000;

/// How much of an explanation is looked at, in bytes.
const LONGEST_READ: usize = 1 << 16;

/// A plugin's words for people, without secrets and no longer than they read. They are cut last: half of a secret would not
/// be recognised.
pub(crate) fn words(text: &str, redactor: &Redactor) -> String {
    let read = &text[..text.floor_char_boundary(LONGEST_READ)];
    let mut words = redactor.redact_words(read).into_owned();
    if words.len() > LONGEST_WORDS || read.len() < text.len() {
        words.truncate(words.floor_char_boundary(LONGEST_WORDS));
        words.push('…');
        words.shrink_to_fit();
    }
    words
}

/// A plugin's remarks, no more than can be meant.
pub(crate) fn remarks<T>(mut remarks: Vec<T>) -> Vec<T> {
    remarks.truncate(MOST_REMARKS);
    remarks
}

/// Refuses a text that is too long to be meant.
pub(crate) fn check_text(what: &str, text: &str) -> Result<(), String> {
    if text.len() > LONGEST_TEXT {
        return Err(format!("{what} is larger than {} KiB", LONGEST_TEXT >> 10));
    }
    Ok(())
}
