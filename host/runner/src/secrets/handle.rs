//! Handles: the texts that stand for secrets where their values must not be.

use std::ops::Range;

/// What every handle begins with.
const PREFIX: &str = "secret-handle-";

/// How many hexadecimal digits follow: 128 random bits.
const DIGITS: usize = 32;

/// Length of a handle, in bytes.
pub(super) const LENGTH: usize = PREFIX.len() + DIGITS;

/// A handle that nobody can guess.
pub(super) fn fresh() -> String {
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("the system's random source works, or TLS would not either");
    format!("{PREFIX}{:032x}", u128::from_ne_bytes(random))
}

/// Whether a text holds something that looks like a handle.
pub(super) fn is_in(text: &str) -> bool {
    text.contains(PREFIX)
}

/// Where the next thing stands that looks like a handle, whole or cut off.
pub(super) fn next_in(text: &str, from: usize) -> Option<Range<usize>> {
    let start = from + text[from..].find(PREFIX)?;
    let digits = text[start + PREFIX.len()..].bytes().take(DIGITS);
    let digits = digits
        .take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        .count();
    Some(start..start + PREFIX.len() + digits)
}

/// Puts something in the place of each handle of a text, whole or cut off; nothing if there is none.
pub(super) fn replace(text: &str, mut with: impl FnMut(&str) -> String) -> Option<String> {
    let mut place = next_in(text, 0)?;
    let (mut replaced, mut from) = (String::with_capacity(text.len()), 0);
    loop {
        replaced.push_str(&text[from..place.start]);
        replaced.push_str(&with(&text[place.clone()]));
        from = place.end;
        let Some(next) = next_in(text, from) else { break };
        place = next;
    }
    replaced.push_str(&text[from..]);
    Some(replaced)
}
