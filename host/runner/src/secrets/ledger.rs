//! What a run, or a connector, knows of secrets: those that it resolved, the tokens that servers gave to its calls, and which
//! of them are searched for.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use secrecy::SecretString;

use super::admission::{KeptNames, Use, Weakness};
use super::handle;
use super::search::{Found, Index};
use super::secret::{Secret, Subject};

/// How many tokens that servers gave are remembered; the oldest go first. A call has its own for as long as it lasts.
const CAPTURED: usize = 1_024;

/// Shared by all that have to do with the secrets of a run.
#[derive(Default)]
pub(super) struct Ledger(RwLock<Known>);

#[derive(Default)]
pub(super) struct Known {
    names: KeptNames,
    /// By their names.
    resolved: BTreeMap<String, Resolved>,
    captured: VecDeque<(Arc<Secret>, u32)>,
    written: Vec<Arc<Secret>>,
    index: Index,
}

/// A secret that has been resolved.
pub(super) struct Resolved {
    pub(super) secret: Arc<Secret>,
    /// What stands for it in rendered params, until a call begins. No request can carry it.
    pub(super) placeholder: String,
    used: Use,
    weakness: Option<Weakness>,
    /// Its number in the index, if it is searched for.
    sought: Option<u32>,
}

impl Ledger {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Keeps names from being changed by a search from now on.
    pub(super) fn keep_names(&mut self, names: impl IntoIterator<Item = String>) {
        self.names.add(names);
        let all: Vec<String> = self.resolved.keys().cloned().collect();
        for name in &all {
            self.judge(name);
        }
    }

    /// Resolves a secret: from now on it is searched for, unless it is too weak for that.
    pub(super) fn resolve(&mut self, name: &str, value: &SecretString, used: Use) -> &Resolved {
        let resolved = self.resolved.entry(name.to_owned()).or_insert_with(|| Resolved {
            secret: Arc::new(Secret::new(Subject::Named(name.to_owned()), value.clone())),
            placeholder: handle::fresh(),
            used,
            weakness: None,
            sought: None,
        });
        let is_new = resolved.sought.is_none() && resolved.weakness.is_none();
        if is_new || resolved.used < used {
            resolved.used = resolved.used.max(used);
            self.judge(name);
        }
        &self.resolved[name]
    }

    fn judge(&mut self, name: &str) {
        let Some(resolved) = self.resolved.get_mut(name) else {
            return;
        };
        let judged = self.names.judge(resolved.secret.value(), resolved.used);
        match (judged, resolved.sought) {
            (Ok(()), None) => resolved.sought = Some(self.index.insert(&resolved.secret)),
            (Err(_), Some(sought)) => {
                self.index.remove(sought);
                resolved.sought = None;
            }
            _ => {}
        }
        resolved.weakness = judged.err();
    }

    /// Hides a token that a server gave.
    pub(super) fn capture(&mut self, name: &str, value: SecretString) -> Result<Arc<Secret>, Weakness> {
        let secret = Secret::new(Subject::Captured(name.to_owned()), value);
        self.names.judge(secret.value(), Use::Credential)?;
        let known = self.captured.iter().find(|(known, _)| known.value() == secret.value());
        if let Some((known, _)) = known {
            return Ok(known.clone());
        }
        let secret = Arc::new(secret);
        if self.captured.len() == CAPTURED
            && let Some((_, oldest)) = self.captured.pop_front()
        {
            self.index.remove(oldest);
        }
        let sought = self.index.insert(&secret);
        self.captured.push_back((secret.clone(), sought));
        Ok(secret)
    }

    /// Hides a text of an author that is meant for a server alone, unless it is too weak to be searched for.
    pub(super) fn hide(&mut self, param: &str, text: &str) {
        let known = self.written.iter().any(|known| known.value() == text);
        if !known && self.names.judge(text, Use::Credential).is_ok() {
            let secret = Arc::new(Secret::new(Subject::Written(param.to_owned()), text.into()));
            self.index.insert(&secret);
            self.written.push(secret);
        }
    }

    pub(super) fn resolved(&self) -> &BTreeMap<String, Resolved> {
        &self.resolved
    }

    /// The secret for which a placeholder stands.
    pub(super) fn placed(&self, placeholder: &str) -> Option<&Arc<Secret>> {
        let found = self
            .resolved
            .values()
            .find(|resolved| resolved.placeholder == placeholder);
        found.map(|resolved| &resolved.secret)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Where secrets stand in a text.
    pub(super) fn find(&self, text: &[u8]) -> Vec<Found> {
        self.index.find(text)
    }

    /// The secret whose beginning ends a text that was cut, and where in the text it begins.
    pub(super) fn find_cut(&self, text: &str) -> Option<(usize, &Arc<Secret>)> {
        self.index.find_cut(text)
    }

    /// What users must know of the secrets that are not searched for.
    pub(super) fn warnings(&self) -> Vec<String> {
        let weak = self
            .resolved
            .iter()
            .filter_map(|(name, resolved)| Some((name, resolved.weakness?)));
        let warning = |(name, weakness): (&String, Weakness)| {
            format!("the value of the secret `{name}` {weakness}: it is not searched for in what is shown")
        };
        weak.map(warning).collect()
    }
}

impl Resolved {
    /// Why the secret must not be used, if it must not.
    pub(super) fn refusal(&self) -> Option<Weakness> {
        self.weakness.filter(|weakness| weakness.refuses(self.used))
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ledger")
    }
}
