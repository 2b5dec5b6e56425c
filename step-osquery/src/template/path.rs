//! Absolute paths that are safe inside a SQL string.
//!
//! Nothing is escaped: a path with a character that means something to SQL, to LIKE, or to the glob by which osquery
//! expands a LIKE pattern is refused. The line is drawn at ASCII. Of it, letters, digits, the space and
//! ``! # $ & ( ) + , - . = @ ^ _ ~`` are accepted (`:` too, where it does not name a drive or a stream). Of the rest of
//! Unicode everything is accepted but what cannot be seen: control characters, separators of lines, marks of
//! direction and joiners. The syntax of SQL is ASCII, so no other character can end a string.
//!
//! `_` is a wildcard of LIKE and is accepted all the same: it is far too common in file names, and osquery's glob,
//! which decides what files are looked at, knows it as a plain character; LIKE then only filters what the glob found.

/// The longest path, in characters. In bytes that is at most 4096, the limit of Linux.
pub(super) const MAX_CHARS: usize = 1024;

/// A description of the accepted paths.
pub(super) const ACCEPTS: &str = "an absolute path such as /var/log or C:\\Temp, without quotes, wildcards or .. in it";

/// An absolute path, without a separator at its end unless it is a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AbsolutePath<'a> {
    text: &'a str,
    separator: char,
}

impl<'a> AbsolutePath<'a> {
    /// Parses a path, or describes the problem. One separator at the end is dropped.
    pub(super) fn parse(text: &'a str) -> Result<Self, &'static str> {
        if text.chars().nth(MAX_CHARS).is_some() {
            return Err("is longer than 1024 characters");
        }
        let (root, separator) = match text.as_bytes() {
            [b'/', ..] => (1, '/'),
            [drive, b':', b'\\', ..] if drive.is_ascii_alphabetic() => (3, '\\'),
            _ => return Err("is not an absolute path"),
        };
        let below = &text[root..];
        if let Some(reason) = below.chars().find_map(|char| objection(char, separator)) {
            return Err(reason);
        }
        let trimmed = below.strip_suffix(separator).unwrap_or(below);
        for segment in trimmed.split(separator) {
            match segment {
                "" if !below.is_empty() => return Err("has two separators in a row"),
                "." | ".." => return Err("has a . or .. segment"),
                _ => {}
            }
        }
        Ok(Self {
            text: &text[..root + trimmed.len()],
            separator,
        })
    }

    /// Returns the path.
    pub(super) fn as_str(self) -> &'a str {
        self.text
    }

    /// Returns the separator that has to follow the path before a name below it.
    pub(super) fn joint(self) -> Option<char> {
        (!self.text.ends_with(self.separator)).then_some(self.separator)
    }
}

/// Returns the reason why a path cannot hold this character, if there is one.
fn objection(char: char, separator: char) -> Option<&'static str> {
    match char {
        'a'..='z'
        | 'A'..='Z'
        | '0'..='9'
        | ' '
        | '!'
        | '#'
        | '$'
        | '&'
        | '('
        | ')'
        | '+'
        | ','
        | '-'
        | '.'
        | '='
        | '@'
        | '^'
        | '_'
        | '~' => None,
        _ if char == separator || (char == ':' && separator == '/') => None,
        '\'' | '"' | '`' => Some("has a quote in it"),
        '%' | '*' | '?' | '[' | ']' | '{' | '}' => Some("has a wildcard in it"),
        '\0'..='\x7f' if char.is_control() => Some("has a control character in it"),
        '\0'..='\x7f' => Some("has a character in it that is not accepted in paths"),
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff0}'..='\u{ffff}'
        | '\u{e0000}'..='\u{e0fff}' => Some("has an invisible character in it"),
        _ => None,
    }
}
