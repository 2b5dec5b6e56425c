//! Finds a part of a text in the way the text is written in YAML: with quotes and escapes, or folded over lines.

use std::ops::Range;

use saphyr_parser::ScalarStyle;

/// Where `range` of `text` stands in `written`, in bytes. None if the two do not fit together.
///
/// Both are walked side by side. Outside of quotes that know escapes, what YAML changes is white space alone.
pub(crate) fn find(written: &str, style: ScalarStyle, text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let mut pen = Pen::new(written, style);
    let (mut start, mut end) = (None, None);
    for (at, c) in text.char_indices() {
        if at >= range.end {
            break;
        }
        let from = pen.write(c)?;
        if at >= range.start {
            start = start.or(Some(from));
            end = Some(pen.at);
        }
    }
    match (start, end) {
        (Some(start), Some(end)) => Some(start..end),
        // An empty range, or one at the very end.
        _ => Some(pen.at..pen.at),
    }
}

/// Follows how a text was written.
struct Pen<'w> {
    written: &'w str,
    at: usize,
    style: ScalarStyle,
}

impl<'w> Pen<'w> {
    fn new(written: &'w str, style: ScalarStyle) -> Self {
        let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
        let at = usize::from(quoted).min(written.len());
        Self { written, at, style }
    }

    /// Writes a character, and tells where it begins. The pen is behind it then.
    fn write(&mut self, c: char) -> Option<usize> {
        if c.is_ascii_whitespace() && self.rest().starts_with(|next: char| next.is_ascii_whitespace()) {
            let from = self.at;
            // A line's end, with the blanks before it and the indentation after it, stands for one blank or newline.
            self.at += 1;
            return Some(from);
        }
        loop {
            let rest = self.rest();
            let next = rest.chars().next()?;
            match (self.style, next) {
                (ScalarStyle::DoubleQuoted, '\\') => {
                    let (escaped, length) = unescape(rest)?;
                    let from = self.at;
                    self.at += length;
                    match escaped {
                        Some(escaped) if escaped == c => return Some(from),
                        Some(_) => return None,
                        // The line goes on after its end.
                        None => {}
                    }
                }
                (ScalarStyle::SingleQuoted, '\'') if c == '\'' && rest.starts_with("''") => {
                    self.at += 2;
                    return Some(self.at - 2);
                }
                (_, next) if next == c => {
                    self.at += next.len_utf8();
                    return Some(self.at - next.len_utf8());
                }
                (_, next) if next.is_ascii_whitespace() => self.at += 1,
                // A newline of a folded text that no blank is written for.
                _ if c.is_ascii_whitespace() => return Some(self.at),
                _ => return None,
            }
        }
    }

    fn rest(&self) -> &'w str {
        &self.written[self.at..]
    }
}

/// The character that an escape stands for, none for a line that goes on, and how long the escape is.
fn unescape(rest: &str) -> Option<(Option<char>, usize)> {
    let code = |digits: usize| {
        let number = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok()?;
        Some((Some(char::from_u32(number)?), 2 + digits))
    };
    let one = |c| Some((Some(c), 2));
    match rest[1..].chars().next()? {
        'x' => code(2),
        'u' => code(4),
        'U' => code(8),
        '\n' => Some((None, 2)),
        '\r' => Some((None, 3)),
        'n' => one('\n'),
        't' | '\t' => one('\t'),
        'r' => one('\r'),
        '0' => one('\0'),
        'a' => one('\u{7}'),
        'b' => one('\u{8}'),
        'v' => one('\u{b}'),
        'f' => one('\u{c}'),
        'e' => one('\u{1b}'),
        'N' => one('\u{85}'),
        '_' => one('\u{a0}'),
        'L' => one('\u{2028}'),
        'P' => one('\u{2029}'),
        c @ (' ' | '"' | '/' | '\\') => one(c),
        _ => None,
    }
}

/// The first escape, in the double quotes that open at this byte, that stands for nothing.
pub(crate) fn unknown_escape(text: &str, quote: usize) -> Option<Range<usize>> {
    let mut at = quote + 1;
    while let Some(rest) = text.get(at..) {
        let backslash = rest.find('\\')?;
        at += backslash;
        let rest = &text[at..];
        match unescape(rest) {
            Some((_, length)) => at += length,
            None => return Some(at..at + 1 + rest[1..].chars().next().map_or(0, char::len_utf8)),
        }
    }
    None
}
