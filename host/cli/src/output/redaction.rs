//! The secrets that nothing may show.

use std::borrow::Cow;
use std::sync::{PoisonError, RwLock};

use playbook_host::secrets::Redactor;

/// What the command works with. Session tokens come to be known while it runs; the redactors know them from then on.
static KNOWN: RwLock<Option<Redactor>> = RwLock::new(None);

/// From now on, nothing that is printed shows what this redactor knows.
pub(crate) fn hide(redactor: Redactor) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    *known = Some(match known.take() {
        Some(known) => known.and(&redactor),
        None => redactor,
    });
}

/// The text after this, which redacts, if there is anything to be redacted.
fn by<'t>(text: &'t str, redact: impl FnOnce(&Redactor, &'t str) -> Cow<'t, str>) -> Cow<'t, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner).clone();
    known.map_or(Cow::Borrowed(text), |redactor| redact(&redactor, text))
}

/// The text without the secrets that are known at this moment.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    by(text, Redactor::redact)
}

/// Words that somebody may have cut, without the secrets that are known at this moment.
pub(super) fn redact_words(words: &str) -> Cow<'_, str> {
    by(words, Redactor::redact_words)
}

/// The JSON document without the secrets that are known at this moment.
pub(super) fn redact_json(document: &str) -> Cow<'_, str> {
    by(document, Redactor::redact_json_text)
}
