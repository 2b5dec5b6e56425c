//! Shows texts to people: which secret stands where, and no values.

use std::sync::Arc;

use serde_json::Value;

use super::call::CallHandles;
use super::handle;
use super::redactor::Redactor;
use super::vault::Vault;

/// What stands around the name of a secret in a text for people.
const MASK_BEGINS: &str = "‹secret ";
const MASK_ENDS: &str = "›";

/// How a secret is shown to people.
pub(crate) fn mask_of(name: &str) -> String {
    format!("{MASK_BEGINS}{name}{MASK_ENDS}")
}

/// Shows texts to people: each handle as `‹secret NAME›`, and no values.
pub(crate) struct Masker {
    redactor: Redactor,
    vault: Vault,
    /// The call whose handles are known besides placeholders.
    call: Option<Arc<CallHandles>>,
}

impl Masker {
    pub(super) fn new(vault: Vault, call: Option<Arc<CallHandles>>) -> Self {
        let redactor = vault.redactor();
        Self {
            redactor: match &call {
                Some(call) => redactor.of_call(call.clone()),
                None => redactor,
            },
            vault,
            call,
        }
    }

    pub(crate) fn mask(&self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let (mut rest, mut from) = (text, 0);
        while let Some(place) = handle::next_in(rest, from) {
            if let Some(label) = self.label(&rest[place.clone()]) {
                masked.push_str(&self.redactor.redact(&rest[..place.start]));
                masked.push_str(&mask_of(&label));
                (rest, from) = (&rest[place.end..], 0);
            } else {
                from = place.end;
            }
        }
        masked.push_str(&self.redactor.redact(rest));
        masked
    }

    /// What the secret of a whole handle is called.
    fn label(&self, handle: &str) -> Option<String> {
        if handle.len() < handle::LENGTH {
            return None;
        }
        let of_call = self.call.as_ref().and_then(|call| call.secret(handle));
        let secret = of_call.or_else(|| self.vault.ledger().read().placed(handle).cloned());
        secret.map(|secret| secret.subject.label())
    }

    /// The same for every text and key of a value.
    pub(crate) fn mask_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.mask(text)),
            Value::Array(items) => items.iter().map(|item| self.mask_json(item)).collect(),
            Value::Object(map) => map
                .iter()
                .map(|(key, value)| (self.mask(key), self.mask_json(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => self.redactor.redact_json(other.clone()),
        }
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

/// A masked text with handles in the place of masks.
pub(super) fn unmask(text: &str, handle: impl Fn(&str) -> Option<String>) -> String {
    let mut unmasked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(MASK_BEGINS) {
        let (before, mask) = rest.split_at(at);
        unmasked.push_str(before);
        let found = mask[MASK_BEGINS.len()..]
            .split_once(MASK_ENDS)
            .and_then(|(name, after)| Some((handle(name)?, after)));
        if let Some((handle, after)) = found {
            unmasked.push_str(&handle);
            rest = after;
        } else {
            unmasked.push_str(MASK_BEGINS);
            rest = &mask[MASK_BEGINS.len()..];
        }
    }
    unmasked.push_str(rest);
    unmasked
}
