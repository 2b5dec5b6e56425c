//! Removes secrets from texts that are about to be shown.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::call::CallHandles;
use super::ledger::Ledger;
use super::{handle, json};
use crate::text::{visible, visible_json, without_userinfo};

/// What marks the end of a text that was cut.
const CUTS: [&str; 2] = ["…", "..."];

/// Replaces secrets, in every form they usually take, by `[secret NAME]`. It knows what its source knows whenever it is used, so
/// that a token which a server gave in the meantime is removed, too.
#[derive(Clone, Default)]
pub struct Redactor {
    ledgers: Vec<Arc<Ledger>>,
    /// The call whose handles are removed by their names; those of others are removed, too.
    call: Option<Arc<CallHandles>>,
}

impl Redactor {
    /// A redactor that knows no secret.
    pub fn none() -> Self {
        Self::default()
    }

    pub(super) fn of(ledger: Arc<Ledger>) -> Self {
        Self {
            ledgers: vec![ledger],
            call: None,
        }
    }

    pub(super) fn of_call(self, call: Arc<CallHandles>) -> Self {
        Self {
            call: Some(call),
            ..self
        }
    }

    /// A redactor that removes what either of the two removes.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for ledger in &other.ledgers {
            if !self.ledgers.iter().any(|known| Arc::ptr_eq(known, ledger)) {
                self.ledgers.push(ledger.clone());
            }
        }
        Self {
            call: self.call.or_else(|| other.call.clone()),
            ..self
        }
    }

    /// The text without secrets.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.redacted(text, false).map_or(Cow::Borrowed(text), Cow::Owned)
    }

    /// The same for words that somebody may have cut: the beginning of a secret at their end is removed, too.
    pub fn redact_words<'t>(&self, words: &'t str) -> Cow<'t, str> {
        self.redacted(words, true).map_or(Cow::Borrowed(words), Cow::Owned)
    }

    /// The text without secrets; nothing if it has none.
    fn redacted(&self, text: &str, may_be_cut: bool) -> Option<String> {
        let mut redacted = handle::replace(text, |handle| {
            let secret = self.call.as_ref().and_then(|call| call.secret(handle));
            secret.map_or_else(|| "[secret]".to_owned(), |secret| secret.replacement())
        });
        for ledger in &self.ledgers {
            let known = ledger.read();
            if known.is_empty() {
                continue;
            }
            let now = redacted.as_deref().unwrap_or(text);
            let found = known.find(now.as_bytes());
            if let Some(new) = super::replace_in_text(now, &found) {
                redacted = Some(new);
            }
            let now = redacted.as_deref().unwrap_or(text);
            if let Some(new) = without_cut(now, may_be_cut, |part| {
                let (start, secret) = known.find_cut(part)?;
                Some((start, secret.replacement()))
            }) {
                redacted = Some(new);
            }
        }
        redacted
    }

    /// Words of others as one line that can be printed: without secrets, even if somebody cut them, without the passwords of
    /// URLs, and with everything visible that hides.
    pub fn show(&self, words: &str) -> String {
        let clean = self.redact_words(words);
        visible(&without_userinfo(&clean)).into_owned()
    }

    /// A JSON document that can be printed: without secrets, and with everything escaped that hides. It stays JSON of the same
    /// shape, since it is redacted text by text.
    pub fn show_json(&self, document: &str) -> String {
        let clean = self.redact_json_text(document);
        visible_json(&clean).into_owned()
    }

    /// The bytes without secrets.
    pub(crate) fn redact_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut redacted = bytes.to_vec();
        for ledger in &self.ledgers {
            let found = ledger.read().find(&redacted);
            if let Some(new) = super::replace(&redacted, &found, |secret| secret.replacement()) {
                redacted = new;
            }
        }
        redacted
    }

    /// The JSON value without secrets in any text, name or number.
    #[must_use]
    pub fn redact_json(&self, mut value: Value) -> Value {
        json::rewrite_value(&mut value, &mut |text| self.redacted(text, false));
        value
    }

    /// The JSON document without secrets. Nothing else of it changes.
    pub fn redact_json_text<'t>(&self, document: &'t str) -> Cow<'t, str> {
        // Hardly any document has a secret, and looking at all of it at once is faster than at each of its texts.
        if self.redacted(document, false).is_none() {
            return document.into();
        }
        let rewritten = json::rewrite(document, |text| self.redacted(text, false));
        rewritten.map_or(Cow::Borrowed(document), Cow::Owned)
    }
}

/// The text without the beginnings of secrets where it was cut; nothing if it has none. Each part of it is looked at once.
fn without_cut(text: &str, may_be_cut: bool, find: impl Fn(&str) -> Option<(usize, String)>) -> Option<String> {
    let mut clean = String::new();
    let (mut from, mut kept) = (0, 0);
    loop {
        let marks = CUTS
            .iter()
            .filter_map(|mark| Some((from + text[from..].find(mark)?, mark.len())));
        let mark = marks.min();
        let Some((end, length)) = mark.or_else(|| may_be_cut.then_some((text.len(), 0))) else {
            break;
        };
        if let Some((start, replacement)) = find(&text[from..end]) {
            clean.push_str(&text[kept..from + start]);
            clean.push_str(&replacement);
            kept = end;
        }
        if mark.is_none() {
            break;
        }
        from = end + length;
    }
    if kept == 0 {
        return None;
    }
    clean.push_str(&text[kept..]);
    Some(clean)
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}
