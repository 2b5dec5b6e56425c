//! Makes visible what a text could hide.
//!
//! Rows come from monitored machines, messages from servers. A control character in one could drive a terminal; a
//! character without a shape, or one that turns the direction of writing, could make a text read as something that it
//! is not. Each is replaced by something with a shape, and everything else is left as it is.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text on one line, with every character that has no shape of its own spelled out: the usual control characters by
/// their names (`[ESC]`, `[LF]`), everything else by its number (`[U+202E]`).
pub fn visible(text: &str) -> Cow<'_, str> {
    if is_plain(text) || text.chars().all(|c| !is_hidden(c)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\0' => shown.push_str("[NUL]"),
            '\x07' => shown.push_str("[BEL]"),
            '\x08' => shown.push_str("[BS]"),
            '\t' => shown.push_str("[TAB]"),
            '\n' => shown.push_str("[LF]"),
            '\r' => shown.push_str("[CR]"),
            '\x1b' => shown.push_str("[ESC]"),
            '\x7f' => shown.push_str("[DEL]"),
            c if is_hidden(c) => {
                write!(shown, "[U+{:04X}]", u32::from(c)).expect("writing to a string cannot fail");
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// A JSON text with every character escaped that `visible` would spell out and JSON leaves as it is. It means the same.
pub fn visible_json(json: &str) -> Cow<'_, str> {
    let hidden = |c: char| is_hidden(c) && c >= '\x7f';
    if is_plain(json) || !json.contains(hidden) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(shown, "\\u{unit:04x}").expect("writing to a string cannot fail");
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// The same for a text of several lines, which stay lines.
pub(crate) fn visible_lines(text: &str) -> String {
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}

/// Whether a text is of ASCII characters that have a shape, as most are: no other question about characters is answered as
/// fast.
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Whether a character has no shape, or moves the ones around it. Spaces, combining marks and variation selectors that
/// ordinary text uses are not among them.
pub(crate) fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'   // controls
        | '\u{ad}' | '\u{34f}' | '\u{180e}' // soft hyphen, joiner, vowel separator
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // Hangul fillers
        | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' // width none; direction
        | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' // tags and more selectors: a text within the text
        | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'.. // private use, and what is no character
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_hides_gets_a_shape_and_what_is_text_stays() {
        for (text, shown) in [
            (
                "plain text, ünïcödé, 東京, e\u{301}, ❤\u{fe0f}",
                "plain text, ünïcödé, 東京, e\u{301}, ❤\u{fe0f}",
            ),
            ("\x1b[31mred\x1b[0m", "[ESC][31mred[ESC][0m"),
            (
                "\x1b]8;;http://evil\x07click\r\n",
                "[ESC]]8;;http://evil[BEL]click[CR][LF]",
            ),
            ("\u{9b}2J\x7f\0", "[U+009B]2J[DEL][NUL]"),
            ("photo_\u{202e}gnp.exe", "photo_[U+202E]gnp.exe"),
            ("pay\u{200b}load\u{feff}", "pay[U+200B]load[U+FEFF]"),
            ("a\u{e0041}b", "a[U+E0041]b"),
        ] {
            assert_eq!(visible(text), shown);
        }
        assert_eq!(visible_lines("one\r\n\ttwo\x1b"), "one\n[TAB]two[ESC]");
    }

    proptest! {
        #[test]
        fn json_means_the_same_and_hides_nothing(text in any::<String>()) {
            let json = serde_json::json!({"a": [text]}).to_string();
            let shown = visible_json(&json);
            prop_assert!(!shown.chars().any(is_hidden));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), serde_json::from_str::<serde_json::Value>(&json).unwrap());
        }

        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            let shown = visible(&text);
            prop_assert!(!shown.chars().any(|c| is_hidden(c) || c.is_control()));
            prop_assert_eq!(visible(&shown), shown.as_ref());
        }
    }
}
