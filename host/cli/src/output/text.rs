//! Texts for people.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use playbook_host::text::visible;

use super::redaction::{redact, show};

/// A text that can be printed as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(String);

/// Puts a [`Text`] together: the format is a literal of this program, and each argument is a [`Piece`]. Arguments cannot be
/// named in the format, since such a one would get past [`Piece`].
macro_rules! text {
    ($format:literal $(, $piece:expr)* $(,)?) => {
        $crate::output::Text::of(format_args!(concat!($format) $(, $crate::output::Piece::shown(&$piece))*))
    };
}

pub(crate) use text;

impl Text {
    /// For [`text!`] alone.
    pub(crate) fn of(pieces: fmt::Arguments<'_>) -> Self {
        Self(pieces.to_string())
    }

    /// A text of this program, such as a completion script, which holds nothing of others.
    pub(crate) fn own(text: String) -> Self {
        Self(text)
    }

    /// A text that was put together with styles elsewhere, from pieces that were made visible there. Of what can act on a
    /// terminal, nothing is left but styles and line breaks.
    pub(crate) fn rendered(text: &str) -> Self {
        Self(only_styles(&redact(text)))
    }

    /// Lines that others wrote and that stay lines.
    pub(crate) fn lines(text: &str) -> Self {
        let text = redact(text);
        let lines: Vec<Cow<'_, str>> = text.lines().map(visible).collect();
        Self(lines.join("\n"))
    }

    pub(crate) fn push(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// The text with so many spaces before each line but the first.
    pub(crate) fn indented(&self, spaces: usize) -> Self {
        Self(self.0.replace('\n', &format!("\n{:spaces$}", "")))
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// The text for a line that is redrawn.
    pub(crate) fn drawn(self) -> String {
        self.0
    }
}

impl FromIterator<Text> for Text {
    fn from_iter<I: IntoIterator<Item = Self>>(texts: I) -> Self {
        texts.into_iter().fold(Self::default(), |mut all, text| {
            all.push(&text);
            all
        })
    }
}

/// A part of a text. Whatever is not known to be of this program is taken for hostile.
pub(crate) trait Piece {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// What [`text!`] formats.
    fn shown(&self) -> Shown<'_, Self> {
        Shown(self)
    }
}

pub(crate) struct Shown<'p, P: ?Sized>(&'p P);

impl<P: Piece + ?Sized> fmt::Display for Shown<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(f)
    }
}

impl Piece for str {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&show(self))
    }
}

impl Piece for String {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().show(f)
    }
}

impl Piece for Cow<'_, str> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().show(f)
    }
}

impl Piece for Path {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_string_lossy().show(f)
    }
}

impl Piece for PathBuf {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_path().show(f)
    }
}

impl Piece for Text {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<P: Piece + ?Sized> Piece for &P {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).show(f)
    }
}

/// A piece that fills a column.
pub(crate) struct Padded<'p>(pub(crate) &'p str, pub(crate) usize);

impl Piece for Padded<'_> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.1;
        write!(f, "{:width$}", self.0.shown())
    }
}

macro_rules! of_this_program {
    ($($kind:ty),*) => {$(
        impl Piece for $kind {
            fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

of_this_program!(
    usize,
    u64,
    u32,
    u128,
    char,
    anstyle::Style,
    anstyle::Reset,
    playbook_host::text::Code,
    std::net::SocketAddr
);

/// The text with everything made visible but what sets styles, and the line breaks and tabs between.
fn only_styles(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_control()) {
        let (before, after) = rest.split_at(at);
        shown.push_str(&visible(before));
        let kept = match after.as_bytes().first() {
            Some(b'\n' | b'\t') => 1,
            _ => style_length(after).unwrap_or_default(),
        };
        shown.push_str(&after[..kept]);
        rest = &after[kept..];
        if kept == 0 {
            let control = after.chars().next().map_or(0, char::len_utf8);
            shown.push_str(&visible(&after[..control]));
            rest = &after[control..];
        }
    }
    let _ = shown.write_str(&visible(rest));
    shown
}

/// How long the sequence is that sets a style, if a text begins with one: `ESC [`, numbers, `m`.
fn style_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some("\x1b[".len() + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\x1b[31m\x1b]52;c;x\x07\u{9b}2J\u{202e}\r\nerror: forged https://u:hunter2@host";

    #[test]
    fn a_piece_of_others_is_one_line_that_acts_on_nothing() {
        let style = anstyle::AnsiColor::Red.on_default();
        let path = PathBuf::from(HOSTILE);
        let text = text!("{}{}|{}|{}\n", style, HOSTILE, path, Padded("b\x1b", 8));
        let piece = "a[ESC][31m[ESC]]52;c;x[BEL][U+009B]2J[U+202E][CR][LF]error: forged https://[hidden]@host";
        assert_eq!(text.0, format!("\x1b[31m{piece}|{piece}|b[ESC]  \n"));
    }

    #[test]
    fn of_what_was_rendered_styles_and_lines_are_left() {
        let styled = "\x1b[1m\x1b[38;5;9mbold\x1b[0m\tand\nplain";
        assert_eq!(Text::rendered(styled).0, styled);
        assert_eq!(
            Text::rendered("\x1b[2J\x1b]0;title\x07\r\x1b[1;31\u{85}\u{202e}x\x1b[").0,
            "[ESC][2J[ESC]]0;title[BEL][CR][ESC][1;31[U+0085][U+202E]x[ESC]["
        );
        assert_eq!(Text::lines("one\x1b[m\ntwo").0, "one[ESC][m\ntwo");
    }
}
