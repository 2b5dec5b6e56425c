//! `playbook.lock`: which plugins may be loaded.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use playbook_host::sandbox::{Inspection, Provided};
use serde::{Deserialize, Serialize};

use crate::error::CommandError;
use crate::files::{self, NewFile};
use crate::reading;

/// What the file is called that is looked for beside a playbook.
const NAME: &str = "playbook.lock";

/// The largest lock file, in bytes.
const LARGEST: u64 = 1 << 20;

/// The form of the file that is written and read here.
const VERSION: u32 = 1;

/// Plugins that may be loaded, and no others.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    version: u32,
    plugins: Vec<Locked>,
    #[serde(skip)]
    path: PathBuf,
}

/// A plugin that may be loaded.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Locked {
    /// Its file's name, for people.
    name: String,
    sha256: String,
    /// What it says it provides, for people who read what changes.
    step_types: Vec<String>,
    connectors: Vec<String>,
}

impl Lock {
    /// The lock file that `--lock` names, or else those beside the files. Beside a link is where it stands and where it leads:
    /// whoever reaches a playbook through one gets past no lock.
    pub(crate) fn find(named: Option<&Path>, files: &[PathBuf]) -> Result<Vec<Self>, CommandError> {
        if let Some(path) = named {
            return Ok(vec![Self::read(path.to_owned())?]);
        }
        let mut paths = BTreeSet::new();
        if files.is_empty() {
            paths.insert(PathBuf::from(NAME));
        }
        for file in files {
            paths.insert(file.with_file_name(NAME));
            if let Ok(real) = file.canonicalize() {
                paths.insert(real.with_file_name(NAME));
            }
        }
        // A link that leads nowhere is no missing file: somebody meant there to be one.
        let missing = |path: &PathBuf| {
            path.symlink_metadata()
                .is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
        };
        let mut seen = BTreeSet::new();
        paths.retain(|path| !missing(path) && seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
        paths.into_iter().map(Self::read).collect()
    }

    fn read(path: PathBuf) -> Result<Self, CommandError> {
        let bytes = reading::read(&path, LARGEST)?;
        let shown = path.display();
        let mut lock: Self = serde_json::from_slice(&bytes).map_err(|error| {
            // What the parser says could quote the file, which nobody named: a link can lead to any.
            let (line, column) = (error.line(), error.column());
            CommandError::new(format!("`{shown}` is not a lock file (line {line}, column {column})")).hint(REWRITE)
        })?;
        if lock.version != VERSION {
            let message = format!(
                "`{shown}` is a lock file of version {}, and this reads {VERSION}",
                lock.version
            );
            return Err(CommandError::new(message).hint(REWRITE));
        }
        lock.path = path;
        Ok(lock)
    }

    /// A lock of these plugins.
    pub(crate) fn of<'p>(plugins: impl Iterator<Item = (&'p Path, &'p Inspection)>) -> Self {
        let names = |provided: &[Provided]| provided.iter().map(|one| one.name.clone()).collect();
        let plugins = plugins.map(|(path, inspection)| {
            let statement = inspection.statement.as_ref();
            Locked {
                name: file_name(path),
                sha256: inspection.sha256.clone(),
                step_types: statement
                    .map(|statement| names(&statement.step_types))
                    .unwrap_or_default(),
                connectors: statement
                    .map(|statement| names(&statement.connectors))
                    .unwrap_or_default(),
            }
        });
        Self {
            version: VERSION,
            plugins: plugins.collect(),
            path: PathBuf::new(),
        }
    }

    /// Writes it to a file, in the place of an older one.
    pub(crate) fn write(&self, path: Option<PathBuf>) -> Result<PathBuf, CommandError> {
        let path = path.unwrap_or_else(|| NAME.into());
        let text = serde_json::to_string_pretty(self).expect("a lock has only texts as keys") + "\n";
        let file = NewFile {
            path: path.clone(),
            text,
        };
        files::write(vec![file], |_, _| true)?;
        Ok(path)
    }

    /// Refuses a plugin that is not the one that was locked.
    pub(crate) fn check(&self, path: &Path, sha256: &str) -> Result<(), CommandError> {
        if self.plugins.iter().any(|locked| locked.sha256 == sha256) {
            return Ok(());
        }
        let (shown, lock) = (path.display(), self.path.display());
        let name = file_name(path);
        let message = match self.plugins.iter().find(|locked| locked.name == name) {
            Some(locked) => format!(
                "`{shown}` is not the plugin that `{lock}` pins: its SHA-256 is {sha256}, and {} is expected",
                locked.sha256
            ),
            None => format!("`{shown}` is not among the plugins that `{lock}` pins; its SHA-256 is {sha256}"),
        };
        Err(CommandError::new(message)
            .hint("if you trust this file, `playbook plugin lock` pins it; it takes all plugins that may be loaded"))
    }
}

const REWRITE: &str = "`playbook plugin lock FILE.wasm...` writes a new one";

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
