//! The secrets of a run or a connector.

use std::fmt;
use std::sync::Arc;

use secrecy::zeroize::Zeroizing;

use super::admission::{Use, Weakness};
use super::call::{CallSecrets, HandleRefused, place_values};
use super::ledger::Ledger;
use super::masker::Masker;
use super::redactor::Redactor;
use super::{Secrets, handle, mask_of, masker};

/// The secrets of one run, and the placeholders that stand for them in what is rendered. A plugin never gets a placeholder:
/// each of its calls has handles of its own.
#[derive(Clone)]
pub struct Vault {
    secrets: Secrets,
    ledger: Arc<Ledger>,
}

/// Where a value is put, which decides how it must be escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escaping {
    /// As it is: a header, or a field of a form, which is encoded as a whole.
    Plain,
    /// Inside a string of a JSON document.
    Json,
}

impl Escaping {
    /// How much room a value may need. Escaping makes six letters of one at most.
    pub(super) fn room(self, value: &str) -> usize {
        match self {
            Self::Plain => value.len(),
            Self::Json => 6 * value.len(),
        }
    }
}

/// Appends a value, escaped as it needs to be there.
pub(super) fn place_value(text: &mut String, value: &str, escaping: Escaping) {
    match escaping {
        Escaping::Plain => text.push_str(value),
        Escaping::Json => {
            let quoted = Zeroizing::new(serde_json::to_string(value).expect("a text can be written as JSON"));
            text.push_str(&quoted[1..quoted.len() - 1]);
        }
    }
}

impl Vault {
    /// A vault of these secrets. Its placeholders mean nothing to any other vault.
    pub fn new(secrets: Secrets) -> Self {
        let ledger = Arc::<Ledger>::default();
        let names: Vec<String> = secrets.names().map(str::to_owned).collect();
        ledger.write().keep_names(names);
        Self { secrets, ledger }
    }

    /// The names of the secrets.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.secrets.names()
    }

    /// Keeps names from being changed by a search for secrets: what an author, a plugin or this program called something.
    pub(crate) fn keep_names(&self, names: impl IntoIterator<Item = String>) {
        self.ledger.write().keep_names(names);
    }

    /// Resolves a secret for some use: from now on it is searched for in all that is shown. One that is too weak for its use
    /// is refused. What does not exist is not resolved.
    pub(crate) fn resolve(&self, name: &str, used: Use) -> Result<(), Weakness> {
        let Some(value) = self.secrets.get(name) else {
            return Ok(());
        };
        let mut known = self.ledger.write();
        known.resolve(name, value, used).refusal().map_or(Ok(()), Err)
    }

    /// The placeholder of a secret, the same each time; none if there is no such secret.
    pub(crate) fn handle(&self, name: &str) -> Option<String> {
        let value = self.secrets.get(name)?;
        let mut known = self.ledger.write();
        Some(known.resolve(name, value, Use::Other).placeholder.clone())
    }

    /// What the users must know of the secrets resolved so far.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.ledger.read().warnings()
    }

    /// The secrets of a call that may give them to one server, or to none.
    pub(crate) fn call(&self, origin: Option<String>) -> CallSecrets {
        CallSecrets::new(self.clone(), origin)
    }

    /// Hides a text that an author wrote into a param that is meant for the server alone.
    pub(crate) fn hide(&self, param: &str, text: &str) {
        self.ledger.write().hide(param, text);
    }

    /// Whether a text holds something that looks like a handle.
    pub(crate) fn contains_handle(text: &str) -> bool {
        handle::is_in(text)
    }

    /// The text with each placeholder replaced by its value: for requests that the host itself makes.
    pub(crate) fn substitute(&self, text: &str, escaping: Escaping) -> Result<Zeroizing<String>, HandleRefused> {
        let known = self.ledger.read();
        place_values(text, escaping, |placeholder| {
            known.placed(placeholder).map(|secret| secret.value())
        })
    }

    /// The text for people: each placeholder as `‹secret NAME›`, and without values.
    pub(crate) fn masked(&self, text: &str) -> String {
        self.masker().mask(text)
    }

    /// What shows texts to people, with all that this vault knows.
    pub(crate) fn masker(&self) -> Masker {
        Masker::new(self.clone(), None)
    }

    /// The text that was [masked](Self::masked), with the placeholders of those secrets that this vault has.
    pub(crate) fn unmasked(&self, text: &str) -> String {
        masker::unmask(text, |name| self.handle(name))
    }

    /// The names of the secrets that were resolved.
    pub(crate) fn used(&self) -> Vec<String> {
        self.ledger.read().resolved().keys().cloned().collect()
    }

    /// The names of the secrets whose placeholders are in a text.
    pub(crate) fn named_in(&self, text: &str) -> Vec<String> {
        let known = self.ledger.read();
        let resolved = known.resolved().iter();
        let found = resolved.filter(|(_, resolved)| text.contains(&resolved.placeholder));
        found.map(|(name, _)| name.clone()).collect()
    }

    /// Removes from texts everything that this vault knows, now and later.
    pub fn redactor(&self) -> Redactor {
        Redactor::of(self.ledger.clone())
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// A vault in which each secret's value is its own mask: nothing can be told.
    pub(crate) fn of_masks(names: impl IntoIterator<Item = String>) -> Self {
        Self::new(Secrets::new(names.into_iter().map(|name| {
            let mask = mask_of(&name);
            (name, mask.into())
        })))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vault").field(&self.secrets).finish()
    }
}
