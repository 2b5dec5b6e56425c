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

/// The text without the secrets that are known at this moment.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known
        .as_ref()
        .map_or(Cow::Borrowed(text), |redactor| redactor.redact(text))
}

/// The value without the secrets that are known at this moment.
pub(super) fn redact_json(value: serde_json::Value) -> serde_json::Value {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    match known.as_ref() {
        Some(redactor) => redactor.redact_json(value),
        None => value,
    }
}
