//! The secrets of one call of a plugin.
//!
//! A handle belongs to one call and to the origin that the call was granted. Each call has a table of its own, with handles
//! that nobody can guess: those of another call, even for the same secret, are unknown to it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::admission::Weakness;
use super::masker::Masker;
use super::redactor::Redactor;
use super::secret::Secret;
use super::vault::{Escaping, Vault, place_value};
use super::{handle, json};

/// How many tokens a call may capture.
const MOST_CAPTURED: usize = 16;

/// The longest token that is captured, in bytes.
const LONGEST_CAPTURED: usize = 16 << 10;

/// The secrets of one call of a plugin, and the handles that stand for them in it.
#[derive(Clone)]
pub(crate) struct CallSecrets(Arc<CallHandles>);

pub(super) struct CallHandles {
    vault: Vault,
    /// The only server that the call may give secrets to.
    origin: Option<String>,
    table: RwLock<Table>,
}

#[derive(Default)]
struct Table {
    /// By their handles.
    secrets: HashMap<String, Arc<Secret>>,
    captured: usize,
}

/// Why a handle does not become its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HandleRefused {
    /// It is no handle, one of another call, or made up.
    #[error("a secret handle that this call was not given: a handle belongs to one call")]
    Unknown,
    /// It is one of this call, on its way to somebody else.
    #[error("a secret handle on its way to a server that this call was not granted")]
    Origin,
}

/// Why a token that a server gave is not given to the plugin, not even as a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CaptureRefused {
    #[error("the call has captured {MOST_CAPTURED} tokens, and may capture no more")]
    TooMany,
    #[error("a token is larger than {LONGEST_CAPTURED} bytes")]
    TooLarge,
    #[error("a token that cannot be kept out of results: it {0}")]
    Weak(Weakness),
}

impl CallSecrets {
    pub(super) fn new(vault: Vault, origin: Option<String>) -> Self {
        Self(Arc::new(CallHandles {
            vault,
            origin,
            table: RwLock::default(),
        }))
    }

    /// Rendered params as the plugin of this call sees them.
    pub(crate) fn enter(&self, params: &Value) -> Value {
        let mut entered = params.clone();
        json::rewrite_value(&mut entered, &mut |text| {
            handle::replace(text, |placeholder| {
                let secret = self.0.vault.ledger().read().placed(placeholder).cloned();
                secret.map_or_else(|| placeholder.to_owned(), |secret| self.issue(&secret))
            })
        });
        entered
    }

    /// The handle of a secret in this call.
    fn issue(&self, secret: &Arc<Secret>) -> String {
        let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
        let known = table.secrets.iter().find(|(_, known)| Arc::ptr_eq(known, secret));
        if let Some((handle, _)) = known {
            return handle.clone();
        }
        let handle = handle::fresh();
        table.secrets.insert(handle.clone(), secret.clone());
        handle
    }

    /// Hides a token that the server gave, and returns what the plugin gets in its place.
    pub(crate) fn capture(&self, name: &str, token: String) -> Result<String, CaptureRefused> {
        let token = SecretString::from(token);
        let size = secrecy::ExposeSecret::expose_secret(&token).len();
        if size > LONGEST_CAPTURED {
            return Err(CaptureRefused::TooLarge);
        }
        {
            let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
            // A token that calls share comes more than once.
            if let Some(handle) = table.handle_of_captured(secrecy::ExposeSecret::expose_secret(&token)) {
                return Ok(handle);
            }
            if table.captured == MOST_CAPTURED {
                return Err(CaptureRefused::TooMany);
            }
            table.captured += 1;
        }
        let captured = self.0.vault.ledger().write().capture(name, token);
        Ok(self.issue(&captured.map_err(CaptureRefused::Weak)?))
    }

    /// Whether a text is a handle of this call.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.0.table().secrets.contains_key(text)
    }

    /// The text with each handle replaced by its value, escaped as it needs to be there, for a server.
    pub(crate) fn reveal(
        &self,
        text: &str,
        escaping: Escaping,
        origin: &str,
    ) -> Result<Zeroizing<String>, HandleRefused> {
        let table = self.0.table();
        if handle::is_in(text) && self.0.origin.as_deref() != Some(origin) {
            return Err(HandleRefused::Origin);
        }
        place_values(text, escaping, |handle| {
            table.secrets.get(handle).map(|secret| secret.value())
        })
    }

    /// What a server answers, with handles in the place of the values that are known.
    pub(crate) fn conceal(&self, answer: Vec<u8>) -> Vec<u8> {
        if self.0.vault.ledger().read().find(&answer).is_empty() {
            return answer;
        }
        let answer = Zeroizing::new(answer);
        let of_json = std::str::from_utf8(&answer)
            .ok()
            .filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        let rewritten =
            of_json.and_then(|text| json::rewrite(text, |text| self.conceal_part(text.as_bytes()).map(text_of)));
        let rewritten = rewritten.map(String::into_bytes);
        // Where a value stands in no text of the document, the document is not worth more than the value.
        let all = rewritten.as_deref().unwrap_or(&answer);
        self.conceal_part(all).unwrap_or_else(|| all.to_vec())
    }

    /// The same for a text.
    pub(crate) fn conceal_text(&self, text: String) -> String {
        text_of(self.conceal(text.into_bytes()))
    }

    fn conceal_part(&self, text: &[u8]) -> Option<Vec<u8>> {
        let found = self.0.vault.ledger().read().find(text);
        let table = self.0.table();
        super::replace(text, &found, |secret| {
            let known = table.secrets.iter().find(|(_, known)| Arc::ptr_eq(known, secret));
            known.map_or_else(|| secret.replacement(), |(handle, _)| handle.clone())
        })
    }

    /// Removes from texts what is known now and later: secrets and the handles of this call.
    pub(crate) fn redactor(&self) -> Redactor {
        self.0.vault.redactor().of_call(self.0.clone())
    }

    /// Shows texts to people, with the names of secrets in the place of this call's handles.
    pub(crate) fn masker(&self) -> Masker {
        Masker::new(self.0.vault.clone(), Some(self.0.clone()))
    }
}

impl Table {
    fn handle_of_captured(&self, token: &str) -> Option<String> {
        let known = self
            .secrets
            .iter()
            .find(|(_, secret)| secret.is_captured() && secret.value() == token);
        known.map(|(handle, _)| handle.clone())
    }
}

impl CallHandles {
    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The secret of a handle, or of the beginning of one.
    pub(super) fn secret(&self, handle: &str) -> Option<Arc<Secret>> {
        let table = self.table();
        if let Some(secret) = table.secrets.get(handle) {
            return Some(secret.clone());
        }
        let mut alike = table.secrets.iter().filter(|(known, _)| known.starts_with(handle));
        let (_, secret) = alike.next()?;
        alike.next().is_none().then(|| secret.clone())
    }
}

/// The text with the values of handles in their place.
pub(super) fn place_values<'s>(
    text: &str,
    escaping: Escaping,
    value: impl Fn(&str) -> Option<&'s str>,
) -> Result<Zeroizing<String>, HandleRefused> {
    // With room for all of it, since a text that grows leaves a copy behind.
    let (mut room, mut from) = (text.len(), 0);
    while let Some(found) = handle::next_in(text, from) {
        let value = value(&text[found.clone()]).ok_or(HandleRefused::Unknown)?;
        room += escaping.room(value);
        from = found.end;
    }
    let (mut revealed, mut from) = (Zeroizing::new(String::with_capacity(room)), 0);
    while let Some(found) = handle::next_in(text, from) {
        revealed.push_str(&text[from..found.start]);
        let value = value(&text[found.clone()]).ok_or(HandleRefused::Unknown)?;
        place_value(&mut revealed, value, escaping);
        from = found.end;
    }
    revealed.push_str(&text[from..]);
    Ok(revealed)
}

/// What was a text is one when whole letters of it were replaced.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

impl fmt::Debug for CallSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallSecrets").field(&self.0.origin).finish()
    }
}
