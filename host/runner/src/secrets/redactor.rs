//! Removes secrets from texts that are about to be shown.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::zeroize::Zeroize as _;
use serde_json::Value;
use url::form_urlencoded;

/// Values shorter than this are left: replacing every `a` of a text would hide nothing and ruin it.
const SHORTEST: usize = 4;

/// All but letters, digits and what RFC 3986 calls unreserved.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A secret that was cut off is recognised by so many of its first bytes.
const CUT_OFF: usize = 8;

/// What marks the end of a text that was cut.
const ELLIPSIS: char = '…';

/// Replaces secrets, in every spelling they usually take, by `[secret NAME]`.
#[derive(Clone)]
pub struct Redactor(Option<Arc<Patterns>>);

struct Patterns {
    find: AhoCorasick,
    /// What is looked for, and what takes its place.
    spellings: Vec<String>,
    replace: Vec<String>,
}

impl Drop for Patterns {
    fn drop(&mut self) {
        self.spellings.zeroize();
    }
}

impl Patterns {
    /// The text without the beginning of a secret where it was cut. Each part of a text is looked at once for each spelling,
    /// since a server may send nothing but marks of cuts.
    fn redact_cut(&self, text: &str) -> Option<String> {
        let mut clean = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(ELLIPSIS) {
            let mut known = self.spellings.iter().zip(&self.replace);
            let kept = known.find_map(|(spelling, replace)| {
                let at = before.rfind(spelling.get(..CUT_OFF)?)?;
                let is_beginning = spelling.starts_with(&before[at..]);
                is_beginning.then_some((&before[..at], replace.as_str()))
            });
            let (kept, replace) = kept.unwrap_or((before, ""));
            clean.extend([kept, replace]);
            clean.push(ELLIPSIS);
            rest = after;
        }
        clean.push_str(rest);
        (clean != text).then_some(clean)
    }
}

impl Redactor {
    /// A redactor that knows no secret.
    pub fn none() -> Self {
        Self(None)
    }

    pub(super) fn new<'a>(
        handles: impl Iterator<Item = (&'a str, &'a str)>,
        values: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut patterns: Vec<(String, String)> = Vec::new();
        let mut add = |spelling: String, name: &str| {
            if spelling.len() >= SHORTEST && !patterns.iter().any(|(known, _)| *known == spelling) {
                patterns.push((spelling, format!("[secret {name}]")));
            }
        };
        for (handle, name) in handles {
            add(handle.to_owned(), name);
        }
        for (value, name) in values.filter(|(value, _)| value.len() >= SHORTEST) {
            let quoted = Value::from(value).to_string();
            add(value.to_owned(), name);
            add(quoted[1..quoted.len() - 1].to_owned(), name);
            // In URLs some encode everything, some leave the marks that need not be encoded, and forms have `+` for a space.
            for encoding in [NON_ALPHANUMERIC, UNRESERVED] {
                add(utf8_percent_encode(value, encoding).to_string(), name);
            }
            add(form_urlencoded::byte_serialize(value.as_bytes()).collect(), name);
            add(URL_SAFE_NO_PAD.encode(value), name);
            add(STANDARD_NO_PAD.encode(value), name);
        }
        if patterns.is_empty() {
            return Self::none();
        }
        let (spellings, replace): (Vec<_>, Vec<_>) = patterns.into_iter().unzip();
        let find = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&spellings)
            .expect("a few short patterns make an automaton");
        Self(Some(Arc::new(Patterns {
            find,
            spellings,
            replace,
        })))
    }

    /// The text without secrets.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(patterns) = &self.0 else { return text.into() };
        let mut text = Cow::Borrowed(text);
        if patterns.find.is_match(&*text) {
            text = patterns.find.replace_all(&text, &patterns.replace).into();
        }
        if text.contains(ELLIPSIS)
            && let Some(clean) = patterns.redact_cut(&text)
        {
            text = clean.into();
        }
        text
    }

    /// The bytes without secrets.
    pub(crate) fn redact_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        match &self.0 {
            Some(patterns) => patterns.find.replace_all_bytes(bytes, &patterns.replace),
            None => bytes.to_vec(),
        }
    }

    /// The JSON value without secrets in any text or key.
    #[must_use]
    pub fn redact_json(&self, mut value: Value) -> Value {
        if self.0.is_some() {
            self.scrub(&mut value);
        }
        value
    }

    /// The same in place: results can be large, and hardly ever hold a secret.
    fn scrub(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(redacted) = self.redact(text) {
                    *text = redacted;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.scrub(item)),
            Value::Object(entries) => {
                entries.values_mut().for_each(|value| self.scrub(value));
                if entries.keys().any(|key| matches!(self.redact(key), Cow::Owned(_))) {
                    let old = std::mem::take(entries).into_iter();
                    *entries = old
                        .map(|(key, value)| (self.redact(&key).into_owned(), value))
                        .collect();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}
