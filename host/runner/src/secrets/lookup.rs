//! Secrets that somebody else keeps: a command such as `op`, `vault` or `pass`, or the system's keyring.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::str::FromStr;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use tokio::io::AsyncReadExt as _;

use super::{Secrets, secret_variables};
use crate::text::diagnostic::Diagnostics;
use crate::text::source::Source;

/// Where the name of a secret goes in a command.
const NAME: &str = "{name}";

/// The most that a command may print, in bytes.
const LONGEST: u64 = 1 << 20;

/// A command that prints secrets. No shell reads it.
///
/// With `{name}` among its words it is run once for each secret and prints that one; a line break at the end does not
/// belong to it. Without, it is run once and prints a YAML map of names to values, as a file of secrets holds.
#[derive(Clone)]
pub struct SecretsCommand {
    program: String,
    args: Vec<String>,
}

impl fmt::Debug for SecretsCommand {
    // Arguments can be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretsCommand").field(&self.program).finish()
    }
}

/// Why secrets could not be looked up. Nothing that a command printed is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The command line is empty, or a quote in it is not closed.
    #[error("the command for secrets cannot be read: it is empty, or a quote is not closed")]
    CommandLine,
    /// The command could not be run.
    #[error("the command for secrets, `{program}`, cannot be run: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The command failed.
    #[error("the command for secrets, `{program}`, failed{}: {status}", .name.as_ref().map(|name| format!(" for `{name}`")).unwrap_or_default())]
    Failed {
        /// The program.
        program: String,
        /// The secret that it was asked for.
        name: Option<String>,
        /// How it ended.
        status: ExitStatus,
    },
    /// What it printed is no text, nothing, or too much.
    #[error("the command for secrets, `{program}`, printed {what}")]
    Output {
        /// The program.
        program: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// What it printed is no map of secrets.
    #[error("what the command for secrets printed is no map of names to values")]
    Map(Diagnostics),
    /// The keyring refused.
    #[cfg(feature = "keyring")]
    #[error("the keyring's `{service}` has no readable `{name}`: {reason}")]
    Keyring {
        /// The service.
        service: String,
        /// The secret.
        name: String,
        /// Why.
        reason: String,
    },
}

impl FromStr for SecretsCommand {
    type Err = LookupError;

    fn from_str(line: &str) -> Result<Self, LookupError> {
        let mut words = shlex::split(line).ok_or(LookupError::CommandLine)?.into_iter();
        let program = words.next().ok_or(LookupError::CommandLine)?;
        Ok(Self {
            program,
            args: words.collect(),
        })
    }
}

impl SecretsCommand {
    /// The secrets with these names. Those that a command without `{name}` prints besides are among them, too.
    pub async fn secrets(&self, names: &[String]) -> Result<Secrets, LookupError> {
        if !self.args.iter().any(|arg| arg.contains(NAME)) {
            let source = Source::new("the command for secrets", self.run(None).await?.as_str());
            return Secrets::parse(source).map_err(LookupError::Map);
        }
        let mut found = BTreeMap::new();
        for name in names {
            let printed = self.run(Some(name)).await?;
            let value = printed.trim_end_matches(['\r', '\n']);
            if value.is_empty() {
                return Err(self.printed("nothing"));
            }
            found.insert(name.clone(), SecretString::from(value));
        }
        Ok(Secrets::new(found))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the operator names the program, and nothing else is started"
    )]
    async fn run(&self, name: Option<&String>) -> Result<Zeroizing<String>, LookupError> {
        let start = |source| LookupError::Start {
            program: self.program.clone(),
            source,
        };
        let args = self.args.iter().map(|arg| match name {
            Some(name) => arg.replace(NAME, name),
            None => arg.clone(),
        });
        let mut command = tokio::process::Command::new(&self.program);
        // It gets none of the secrets of the environment, and nothing of standard input, which may be the alert.
        for variable in secret_variables() {
            command.env_remove(variable);
        }
        let mut child = command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(start)?;
        // With room for everything, since what grows leaves a copy behind.
        let mut printed = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 64));
        let stdout = child.stdout.take().expect("it is piped");
        stdout
            .take(LONGEST + 1)
            .read_to_end(&mut printed)
            .await
            .map_err(start)?;
        if printed.len() as u64 > LONGEST {
            return Err(self.printed("more than a mebibyte"));
        }
        let status = child.wait().await.map_err(start)?;
        if !status.success() {
            return Err(LookupError::Failed {
                program: self.program.clone(),
                name: name.cloned(),
                status,
            });
        }
        let text = std::str::from_utf8(&printed).map_err(|_| self.printed("something that is no text"))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    fn printed(&self, what: &'static str) -> LookupError {
        LookupError::Output {
            program: self.program.clone(),
            what,
        }
    }
}

impl Secrets {
    /// Which of these names it has no secret for.
    pub fn missing(&self, names: impl IntoIterator<Item = String>) -> Vec<String> {
        names.into_iter().filter(|name| self.get(name).is_none()).collect()
    }
}
