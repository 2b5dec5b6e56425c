//! Secrets: where their values come from, and the handles that stand for them.
//!
//! A value never enters a playbook's rendered params, a plugin, or any output. Rendering puts an unguessable *handle* in
//! its place; the [`Vault`] that made the handle gives the value back at the last moment, to the request that leaves for
//! the granted origin. The [`Redactor`] is a second line: it removes values and handles from every text that is shown.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use secrecy::zeroize::{Zeroize as _, Zeroizing};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

#[cfg(feature = "keyring")]
mod keyring;
mod lookup;
mod redactor;

pub use lookup::{LookupError, SecretsCommand};
pub use redactor::Redactor;

use crate::files;
use crate::text::diagnostic::{Code, Diagnostic, Diagnostics, Place as At, cut};
use crate::text::document::Document;
use crate::text::json::escape_key;
use crate::text::reading::unreadable;
use crate::text::source::Source;

/// What the environment variables that hold secrets begin with.
pub const ENV_PREFIX: &str = "PLAYBOOK_SECRET_";

/// What every handle begins with.
const HANDLE_PREFIX: &str = "secret-handle-";

/// Length of a handle, in bytes: the prefix and 128 random bits in hexadecimal.
const HANDLE_LENGTH: usize = HANDLE_PREFIX.len() + 32;

/// Named secret values.
#[derive(Clone, Default)]
pub struct Secrets(Arc<BTreeMap<String, SecretString>>);

impl Secrets {
    /// Secrets with these names and values.
    pub fn new(secrets: impl IntoIterator<Item = (String, SecretString)>) -> Self {
        Self(Arc::new(secrets.into_iter().collect()))
    }

    /// The secrets of the environment: `PLAYBOOK_SECRET_FLEET_TOKEN` is `fleet_token`. Empty values do not count.
    pub fn from_env() -> Self {
        Self::new(variables().filter_map(|(name, value)| {
            let name = name.to_str()?.strip_prefix(ENV_PREFIX)?.to_ascii_lowercase();
            let value = value.into_string().ok().filter(|value| !value.is_empty())?;
            Some((name, SecretString::from(value)))
        }))
    }

    /// Reads a YAML map of names to values. A file that others can read is refused. What is said about the file never
    /// shows its text.
    pub fn from_file(path: &Path) -> Result<Self, Diagnostics> {
        let name = path.display().to_string();
        let file = files::open_regular(path).map_err(|error| unreadable(&name, &error))?;
        let exposed = exposed(&name, &file).map_err(|error| unreadable(&name, &error.into()))?;
        let read = Source::read_from(name, file)
            .map_err(Diagnostics::without_text)
            .and_then(Self::parse);
        let Some(exposed) = exposed else { return read };
        let mut problems = Diagnostics::from(exposed);
        problems.extend(read.err().unwrap_or_default());
        Err(problems)
    }

    /// Reads a YAML map of names to values. What is said about the text never shows any of it but names.
    pub fn parse(source: Source) -> Result<Self, Diagnostics> {
        let document = Document::parse(source);
        let read = document.and_then(|(document, problems)| {
            let read = Self::of(&document, problems);
            zero(document.into_value());
            read
        });
        read.map_err(Diagnostics::without_text)
    }

    fn of(document: &Document, mut problems: Diagnostics) -> Result<Self, Diagnostics> {
        let Some(map) = document.value().as_object() else {
            let problem = Diagnostic::error(Code::WrongType, "a secrets file must be a map of names to values");
            problems.push(problem.at(document.place("")).hint("for example `fleet_token: \"…\"`"));
            return Err(problems);
        };
        let mut secrets = BTreeMap::new();
        for (name, value) in map {
            let (code, wrong, hint) = match value {
                _ if !is_name(name) => {
                    let wrong = "cannot be named in a template";
                    (
                        Code::InvalidValue,
                        wrong,
                        "a name has letters, digits and `_`, and begins with no digit",
                    )
                }
                Value::String(text) if !text.is_empty() => {
                    secrets.insert(name.clone(), SecretString::from(text.clone()));
                    continue;
                }
                Value::Number(number) => {
                    secrets.insert(name.clone(), SecretString::from(number.to_string()));
                    continue;
                }
                Value::String(_) | Value::Null => (
                    Code::OutOfRange,
                    "must not be empty",
                    "write its value, in quotes, or remove it",
                ),
                _ => (Code::WrongType, "must be a text", "put its value in quotes"),
            };
            problems.push(
                Diagnostic::error(code, format!("the secret `{}` {wrong}", cut(name)))
                    .at(document.key_place(&format!("/{}", escape_key(name))))
                    .hint(hint),
            );
        }
        problems.or(Self(Arc::new(secrets)))
    }

    /// These secrets and `others`; these win.
    #[must_use]
    pub fn or(self, others: &Self) -> Self {
        let mut all = others.0.as_ref().clone();
        all.extend(self.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        Self(Arc::new(all))
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.keys().map(String::as_str)
    }

    fn get(&self, name: &str) -> Option<&SecretString> {
        self.0.get(name)
    }
}

/// The environment.
#[expect(clippy::disallowed_methods, reason = "this is the secrets module")]
fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// The names of the environment variables that hold secrets.
fn secret_variables() -> impl Iterator<Item = OsString> {
    let is_secret = |name: &OsString| name.as_encoded_bytes().starts_with(ENV_PREFIX.as_bytes());
    variables().map(|(name, _)| name).filter(is_secret)
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Zeroes all texts of a value.
fn zero(value: Value) {
    match value {
        Value::String(mut text) => text.zeroize(),
        Value::Array(items) => items.into_iter().for_each(zero),
        Value::Object(map) => map.into_iter().for_each(|(_, value)| zero(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether `{{ secrets.NAME }}` can be written.
fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether others can read a file of secrets.
fn exposed(name: &str, file: &std::fs::File) -> std::io::Result<Option<Diagnostic>> {
    Ok(exposed_to_others(file)?.map(|mode| {
        let message = format!("others can use the file of secrets: its mode is {mode:03o}");
        Diagnostic::error(Code::ExposedSecrets, message)
            .at(At::whole(name))
            .hint(format!("run `chmod 600 {name}`"))
    }))
}

/// The mode of a file that others can read or write.
#[cfg(unix)]
pub(crate) fn exposed_to_others(file: &std::fs::File) -> std::io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt as _;
    let about = file.metadata()?;
    let mode = about.permissions().mode() & 0o777;
    // A folder holds no secret, and is not to be closed to others because of one.
    Ok((!about.is_dir() && mode & 0o077 != 0).then_some(mode))
}

#[cfg(not(unix))]
pub(crate) fn exposed_to_others(_: &std::fs::File) -> std::io::Result<Option<u32>> {
    Ok(None)
}

/// Where a value is put, which decides how it must be escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// As it is: a header, or a field of a form, which is encoded as a whole.
    Plain,
    /// Inside a string of a JSON document.
    Json,
}

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
}

impl Masker {
    pub(crate) fn mask(&self, text: &str) -> String {
        let known = self.vault.known();
        let mut masked = String::with_capacity(text.len());
        let (mut rest, mut from) = (text, 0);
        while let Some(at) = rest[from..].find(HANDLE_PREFIX).map(|at| at + from) {
            if let Some(secret) = rest
                .get(at..at + HANDLE_LENGTH)
                .and_then(|handle| known.issued.get(handle))
            {
                masked.push_str(&self.redactor.redact(&rest[..at]));
                masked.push_str(&mask_of(&secret.name));
                (rest, from) = (&rest[at + HANDLE_LENGTH..], 0);
            } else {
                from = at + HANDLE_PREFIX.len();
            }
        }
        masked.push_str(&self.redactor.redact(rest));
        masked
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
            other => other.clone(),
        }
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

/// A text that looks like a handle and was not made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret handle that this run did not make")]
pub(crate) struct UnknownHandle;

/// The secrets of one run, and the handles made for them.
#[derive(Clone)]
pub struct Vault {
    secrets: Secrets,
    known: Arc<RwLock<Known>>,
}

/// What a vault knows besides its secrets.
#[derive(Default)]
struct Known {
    issued: BTreeMap<String, Issued>,
    /// Removes all of it from texts; made when it is first asked for after something was issued.
    redactor: Option<Redactor>,
}

struct Issued {
    name: String,
    value: SecretString,
}

impl Vault {
    /// A vault of these secrets. Its handles mean nothing to any other vault.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            secrets,
            known: Arc::default(),
        }
    }

    /// The names of the secrets.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.secrets.names()
    }

    /// A handle for a secret, the same each time; none if there is no such secret.
    pub(crate) fn handle(&self, name: &str) -> Option<String> {
        let value = self.secrets.get(name)?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((handle, _)) = known.issued.iter().find(|(_, issued)| issued.name == name) {
            return Some(handle.clone());
        }
        Some(known.issue(name, value.clone()))
    }

    /// A handle for a value that a server gave, such as a session token.
    pub(crate) fn capture(&self, name: &str, value: String) -> String {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.issue(name, SecretString::from(value))
    }

    /// Whether a text holds something that looks like a handle.
    pub(crate) fn contains_handle(text: &str) -> bool {
        text.contains(HANDLE_PREFIX)
    }

    /// The text with each handle replaced by its value, escaped as its place needs.
    pub(crate) fn substitute(&self, text: &str, place: Place) -> Result<Zeroizing<String>, UnknownHandle> {
        let known = self.known();
        // With room for all values, since a text that grows leaves a copy behind. Escaping makes six letters of one at most.
        let values = known.issued.values().map(|secret| secret.value.expose_secret().len());
        let room = text.matches(HANDLE_PREFIX).count() * 6 * values.max().unwrap_or_default();
        let mut revealed = Zeroizing::new(String::with_capacity(text.len() + room));
        let mut rest = text;
        while let Some(at) = rest.find(HANDLE_PREFIX) {
            let handle = rest.get(at..at + HANDLE_LENGTH).ok_or(UnknownHandle)?;
            let value = known.issued.get(handle).ok_or(UnknownHandle)?.value.expose_secret();
            revealed.push_str(&rest[..at]);
            match place {
                Place::Plain => revealed.push_str(value),
                Place::Json => {
                    let quoted = Zeroizing::new(serde_json::to_string(value).expect("a text can be written as JSON"));
                    revealed.push_str(&quoted[1..quoted.len() - 1]);
                }
            }
            rest = &rest[at + HANDLE_LENGTH..];
        }
        revealed.push_str(rest);
        Ok(revealed)
    }

    /// The text for people: each handle as `‹secret NAME›`, and without values.
    pub(crate) fn masked(&self, text: &str) -> String {
        self.masker().mask(text)
    }

    /// What shows texts to people, with all that this vault knows now.
    pub(crate) fn masker(&self) -> Masker {
        Masker {
            redactor: self.redactor(),
            vault: self.clone(),
        }
    }

    /// The text that was [masked](Self::masked), with the handles of those secrets that this vault has.
    pub(crate) fn unmasked(&self, text: &str) -> String {
        let mut unmasked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(MASK_BEGINS) {
            let (before, mask) = rest.split_at(at);
            unmasked.push_str(before);
            let handle = mask[MASK_BEGINS.len()..]
                .split_once(MASK_ENDS)
                .and_then(|(name, after)| Some((self.handle(name)?, after)));
            if let Some((handle, after)) = handle {
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

    /// The names of the secrets that have a handle, but for those that a server gave.
    pub(crate) fn used(&self) -> Vec<String> {
        let known = self.known();
        let names = known.issued.values().map(|secret| secret.name.clone());
        let mut names: Vec<String> = names.filter(|name| self.secrets.get(name).is_some()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The names of the secrets whose handles are in a text.
    pub(crate) fn named_in(&self, text: &str) -> Vec<String> {
        let known = self.known();
        let found = known.issued.iter().filter(|(handle, _)| text.contains(handle.as_str()));
        found.map(|(_, secret)| secret.name.clone()).collect()
    }

    /// Removes everything this vault knows now from texts.
    pub fn redactor(&self) -> Redactor {
        if let Some(redactor) = &self.known().redactor {
            return redactor.clone();
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let redactor = known.redactor(&self.secrets);
        known.redactor.insert(redactor).clone()
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vault").field(&self.secrets).finish()
    }
}

impl Known {
    /// Makes a handle for a value.
    fn issue(&mut self, name: &str, value: SecretString) -> String {
        let mut random = [0; 16];
        getrandom::fill(&mut random).expect("the system's random source works, or TLS would not either");
        let handle = format!("{HANDLE_PREFIX}{:032x}", u128::from_ne_bytes(random));
        let name = name.to_owned();
        self.issued.insert(handle.clone(), Issued { name, value });
        self.redactor = None;
        handle
    }

    fn redactor(&self, secrets: &Secrets) -> Redactor {
        let issued = || self.issued.iter();
        let handles = issued().map(|(handle, issued)| (handle.as_str(), issued.name.as_str()));
        let given = secrets.0.iter().map(|(name, value)| (value, name.as_str()));
        let values = given.chain(issued().map(|(_, issued)| (&issued.value, issued.name.as_str())));
        Redactor::new(handles, values.map(|(value, name)| (value.expose_secret(), name)))
    }
}

#[cfg(test)]
mod tests;
