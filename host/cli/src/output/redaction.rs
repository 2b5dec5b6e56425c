//! The secrets that nothing may show.

use std::borrow::Cow;
use std::sync::{PoisonError, RwLock};

use playbook_host::secrets::Redactor;

type MakesRedactors = Box<dyn Fn() -> Redactor + Send + Sync>;

/// What the command works with. Session tokens come to be known while it runs, so the redactor of the moment is asked for.
static KNOWN: RwLock<Vec<MakesRedactors>> = RwLock::new(Vec::new());

/// From now on, nothing that is printed shows what these redactors know.
pub(crate) fn hide(redactors: impl Fn() -> Redactor + Send + Sync + 'static) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    known.push(Box::new(redactors));
}

/// The text without the secrets that are known at this moment.
pub(super) fn redact(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known
        .iter()
        .fold(Cow::Borrowed(text), |text, redactor| match redactor().redact(&text) {
            Cow::Owned(clean) => Cow::Owned(clean),
            Cow::Borrowed(_) => text,
        })
}

/// The value without the secrets that are known at this moment.
pub(super) fn redact_json(value: serde_json::Value) -> serde_json::Value {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known
        .iter()
        .fold(value, |value, redactor| redactor().redact_json(value))
}
