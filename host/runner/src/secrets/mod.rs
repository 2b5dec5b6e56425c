//! Secrets: where their values come from, and the handles that stand for them.
//!
//! A value never enters a playbook's rendered params, a plugin, or any output. Rendering puts a placeholder of the run's
//! [`Vault`] in its place. When a plugin is called, the secrets of that call put an unguessable *handle* there that belongs to this
//! call and to the origin it was granted; they give the value back at the last moment, to the request that leaves for that origin,
//! and put handles in the place of values in what the server answers. The [`Redactor`] is a second line: it removes values and
//! handles from every text that is shown. It searches for what the run has resolved, and for nothing else.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use secrecy::zeroize::Zeroize as _;
use serde_json::Value;

mod admission;
mod call;
mod handle;
mod json;
#[cfg(feature = "keyring")]
mod keyring;
mod ledger;
mod lookup;
mod masker;
mod redactor;
mod search;
mod secret;
mod vault;

pub(crate) use admission::{Use, Weakness, names_of_schema};
pub(crate) use call::{CallSecrets, CaptureRefused, HandleRefused};
pub use lookup::{LookupError, SecretsCommand};
pub(crate) use masker::{Masker, mask_of};
pub use redactor::Redactor;
pub(crate) use vault::Escaping;
pub use vault::Vault;

use self::search::Found;
use self::secret::Secret;

use crate::files;
use crate::text::diagnostic::{Code, Diagnostic, Diagnostics, Place, cut};
use crate::text::document::Document;
use crate::text::json::escape_key;
use crate::text::reading::unreadable;
use crate::text::source::Source;

/// What the environment variables that hold secrets begin with.
pub const ENV_PREFIX: &str = "PLAYBOOK_SECRET_";

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
            .at(Place::whole(name))
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

/// A text with something in the place of the secrets that were found in it; nothing if none was.
fn replace(text: &[u8], found: &[Found], with: impl Fn(&Arc<Secret>) -> String) -> Option<Vec<u8>> {
    if found.is_empty() {
        return None;
    }
    let (mut replaced, mut from) = (Vec::with_capacity(text.len()), 0);
    for Found { place, secret } in found {
        replaced.extend_from_slice(&text[from..place.start]);
        replaced.extend_from_slice(with(secret).as_bytes());
        from = place.end;
    }
    replaced.extend_from_slice(&text[from..]);
    Some(replaced)
}

/// The same for a text that stays one: a form that is no text may begin and end within a letter.
fn replace_in_text(text: &str, found: &[Found]) -> Option<String> {
    if found.is_empty() {
        return None;
    }
    let (mut replaced, mut from) = (String::with_capacity(text.len()), 0);
    for Found { place, secret } in found {
        let (start, end) = (
            text.floor_char_boundary(place.start),
            text.ceil_char_boundary(place.end),
        );
        replaced.push_str(text.get(from..start).unwrap_or_default());
        replaced.push_str(&secret.replacement());
        from = from.max(end);
    }
    replaced.push_str(&text[from..]);
    Some(replaced)
}

#[cfg(test)]
mod call_tests;
#[cfg(test)]
mod tests;
