//! Texts with their escapes undone, to be searched in the place of the text: a letter can be escaped in many ways, and
//! each letter of a secret in another one.

use std::ops::Range;

/// The bytes with which escapes begin.
const TRIGGERS: [u8; 3] = [b'\\', b'%', b'&'];

/// How often a text is decoded at most: JSON inside of a JSON string inside of another.
const DEPTH: usize = 3;

/// What escapes letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// `\n`, `\"`, `\u0041`, and what other languages write: `\x41`, `\u{41}`.
    Backslash,
    /// `%41`.
    Percent,
    /// The same, and `+` for a space.
    Form,
    /// `&amp;`, `&#65;`, `&#x41;`.
    Html,
    /// All of the above but `+`, each where it stands.
    Any,
    /// The ends of lines and the spaces at the beginning of the next, as in base64 or hexadecimal text of many lines.
    Lines,
}

/// Bytes that were decoded, and where each of them comes from.
struct Decoded {
    bytes: Vec<u8>,
    escapes: Vec<Escape>,
}

/// An escape that was undone. What stands between two of them is as it was.
#[derive(Debug, Clone, Copy)]
struct Escape {
    /// Where it began in the source, and where its bytes begin.
    source: usize,
    decoded: usize,
    /// How long it was, and how many bytes it became.
    length: usize,
    became: usize,
}

/// Where the next escape may begin.
pub(super) fn next_escape(text: &[u8], from: usize) -> Option<usize> {
    // One pass for all of them: one for each kind would look through the whole text for a kind that it does not have.
    let begins = |byte: &u8| TRIGGERS.contains(byte) || matches!(byte, b'\r' | b'\n');
    text[from..].iter().position(begins).map(|at| from + at)
}

/// Something at a place of a text.
type Placed<T> = (Range<usize>, T);

/// Calls `search` with each view of a text. The places of what it finds come back as places in the text.
pub(super) fn search_views<T>(text: &[u8], search: &mut impl FnMut(&[u8]) -> Vec<Placed<T>>) -> Vec<Placed<T>> {
    let mut found = Vec::new();
    let all = [
        Escapes::Backslash,
        Escapes::Percent,
        Escapes::Form,
        Escapes::Html,
        Escapes::Any,
        Escapes::Lines,
    ];
    for escapes in all {
        found.extend(search_view(text, escapes, DEPTH, search));
    }
    found
}

fn search_view<T>(
    text: &[u8],
    escapes: Escapes,
    depth: usize,
    search: &mut impl FnMut(&[u8]) -> Vec<Placed<T>>,
) -> Vec<Placed<T>> {
    let triggers = TRIGGERS.map(|trigger| memchr::memchr(trigger, text).is_some());
    // With one kind of escape, undoing all kinds is undoing that one.
    if escapes == Escapes::Any && triggers.iter().filter(|found| **found).count() < 2 {
        return Vec::new();
    }
    let Some(decoded) = decode(text, escapes) else {
        return Vec::new();
    };
    let mut found = search(&decoded.bytes);
    if depth > 1 {
        for next in next(&decoded.bytes, escapes) {
            found.extend(search_view(&decoded.bytes, next, depth - 1, search));
        }
    }
    let of_source = found.into_iter().map(|(place, what)| (decoded.source(&place), what));
    of_source.collect()
}

/// What a text that was decoded is decoded with next: the same once more, or whatever is in it. Lines are joined last.
fn next(text: &[u8], escapes: Escapes) -> Vec<Escapes> {
    if escapes == Escapes::Lines {
        return Vec::new();
    }
    let kinds = [Escapes::Backslash, Escapes::Percent, Escapes::Html];
    let in_text = kinds
        .iter()
        .zip(TRIGGERS)
        .filter(|(_, trigger)| memchr::memchr(*trigger, text).is_some());
    let in_text: Vec<Escapes> = in_text.map(|(kind, _)| *kind).collect();
    let mut next = match in_text[..] {
        [] => Vec::new(),
        [only] => vec![only],
        _ if in_text.contains(&escapes) => vec![escapes, Escapes::Any],
        _ => vec![Escapes::Any],
    };
    next.push(Escapes::Lines);
    next
}

/// The text without these escapes; nothing if it has none.
fn decode(text: &[u8], escapes: Escapes) -> Option<Decoded> {
    let mut decoded = Decoded {
        bytes: Vec::new(),
        escapes: Vec::new(),
    };
    let (mut from, mut at) = (0, 0);
    while let Some(next) = escapes.find(&text[at..]) {
        let source = at + next;
        let mut letter = Letter::default();
        let Some(length) = escapes.read(&text[source..], &mut letter) else {
            at = source + 1;
            continue;
        };
        if decoded.escapes.is_empty() {
            decoded.bytes.reserve(text.len());
        }
        decoded.bytes.extend_from_slice(&text[from..source]);
        decoded.escapes.push(Escape {
            source,
            decoded: decoded.bytes.len(),
            length,
            became: letter.length,
        });
        decoded.bytes.extend_from_slice(&letter.bytes[..letter.length]);
        at = source + length;
        from = at;
    }
    if decoded.escapes.is_empty() {
        return None;
    }
    decoded.bytes.extend_from_slice(&text[from..]);
    Some(decoded)
}

impl Decoded {
    /// Where a range of the bytes comes from. Of an escape there is no part.
    fn source(&self, place: &Range<usize>) -> Range<usize> {
        let start = match self.before(place.start) {
            None => place.start,
            Some(escape) if place.start < escape.decoded + escape.became => escape.source,
            Some(escape) => escape.source + escape.length + (place.start - escape.decoded - escape.became),
        };
        let last = place.end - 1;
        let end = match self.before(last) {
            None => place.end,
            Some(escape) if last < escape.decoded + escape.became => escape.source + escape.length,
            Some(escape) => escape.source + escape.length + (place.end - escape.decoded - escape.became),
        };
        start..end
    }

    /// The last escape that begins at or before a byte.
    fn before(&self, at: usize) -> Option<&Escape> {
        let after = self.escapes.partition_point(|escape| escape.decoded <= at);
        self.escapes[..after].last()
    }
}

/// What an escape stands for: a letter in UTF-8, or a byte.
#[derive(Default)]
struct Letter {
    bytes: [u8; 4],
    length: usize,
}

impl Letter {
    fn byte(&mut self, byte: u8) {
        self.bytes[0] = byte;
        self.length = 1;
    }

    fn char(&mut self, code: u32) -> Option<()> {
        self.length = char::from_u32(code)?.encode_utf8(&mut self.bytes).len();
        Some(())
    }
}

impl Escapes {
    /// Where one of these escapes may begin.
    fn find(self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Backslash => memchr::memchr(b'\\', text),
            Self::Percent => memchr::memchr(b'%', text),
            Self::Form => memchr::memchr2(b'%', b'+', text),
            Self::Html => memchr::memchr(b'&', text),
            Self::Any => memchr::memchr3(b'\\', b'%', b'&', text),
            Self::Lines => memchr::memchr2(b'\r', b'\n', text),
        }
    }

    /// Reads an escape at the beginning of a text: how long it is.
    fn read(self, text: &[u8], letter: &mut Letter) -> Option<usize> {
        match (text[0], self) {
            (b'\\', Self::Backslash | Self::Any) => backslash(text, letter),
            (b'%', Self::Percent | Self::Form | Self::Any) => {
                letter.byte(u8::try_from(number(text.get(1..3)?, 16)?).ok()?);
                Some(3)
            }
            (b'+', Self::Form) => {
                letter.byte(b' ');
                Some(1)
            }
            (b'&', Self::Html | Self::Any) => entity(text, letter),
            (b'\r' | b'\n', Self::Lines) => end_of_line(text),
            _ => None,
        }
    }
}

/// An end of a line between letters of base64 or hexadecimal digits: it stands for nothing.
fn end_of_line(text: &[u8]) -> Option<usize> {
    let ends = text.iter().position(|byte| !b"\r\n".contains(byte))?;
    let spaces = text[ends..].iter().position(|byte| !b" \t".contains(byte))?;
    let next = text[ends + spaces];
    (next.is_ascii_alphanumeric() || b"+/-_".contains(&next)).then_some(ends + spaces)
}

fn backslash(text: &[u8], letter: &mut Letter) -> Option<usize> {
    letter.byte(match text.get(1)? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'f' => 12,
        b'x' => u8::try_from(number(text.get(2..4)?, 16)?).ok()?,
        b'u' => return unicode(text, letter),
        same @ (b'\\' | b'"' | b'\'' | b'/') => *same,
        _ => return None,
    });
    Some(if text[1] == b'x' { 4 } else { 2 })
}

/// `\u0041`, `\ud83d\ude00` or `\u{41}`.
fn unicode(text: &[u8], letter: &mut Letter) -> Option<usize> {
    if text.get(2) == Some(&b'{') {
        let digits = text[3..].iter().take(7).position(|byte| *byte == b'}')?;
        letter.char(number(&text[3..3 + digits], 16)?)?;
        return Some(digits + 4);
    }
    let unit = number(text.get(2..6)?, 16)?;
    if !(0xd800..0xdc00).contains(&unit) {
        letter.char(unit)?;
        return Some(6);
    }
    let low = text.get(6..12).filter(|low| low.starts_with(b"\\u"))?;
    let low = number(&low[2..], 16)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    letter.char(0x1_0000 + ((unit - 0xd800) << 10) + low)?;
    Some(12)
}

fn entity(text: &[u8], letter: &mut Letter) -> Option<usize> {
    /// The longest entity that is read, in bytes: `&#x0010ffff;`.
    const LONGEST: usize = 12;
    let end = text.iter().take(LONGEST).position(|byte| *byte == b';')?;
    match &text[1..end] {
        b"amp" => letter.byte(b'&'),
        b"lt" => letter.byte(b'<'),
        b"gt" => letter.byte(b'>'),
        b"quot" => letter.byte(b'"'),
        b"apos" => letter.byte(b'\''),
        [b'#', b'x' | b'X', digits @ ..] => letter.char(number(digits, 16)?)?,
        [b'#', digits @ ..] => letter.char(number(digits, 10)?)?,
        _ => return None,
    }
    Some(end + 1)
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    // The library also takes a sign.
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, radix).ok()
}
