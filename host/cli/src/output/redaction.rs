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

/// The redactor of everything that is known at this moment.
fn known() -> Redactor {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner).clone();
    known.unwrap_or_default()
}

/// The text without secrets.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    known().redact(text)
}

/// Words of others as a line that can be printed.
pub(super) fn show(words: &str) -> String {
    known().show(words)
}

/// A JSON document that can be printed.
pub(super) fn show_json(document: &str) -> String {
    known().show_json(document)
}
