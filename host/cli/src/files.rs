//! Writes several files, or none of them if one is in the way.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use playbook_host::files::{FileError, read_regular};

use crate::error::CommandError;

/// The largest file that is compared with what would take its place, in bytes.
const LARGEST: u64 = 16 << 20;

/// A file to write.
#[derive(Debug)]
pub(crate) struct NewFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileOutcome {
    /// It was not there.
    Written,
    /// An older text gave way.
    Replaced,
    /// It was there already, with this text.
    Unchanged,
}

impl FileOutcome {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Writes files, each of them whole or not at all. `replaceable` says whether what is in the place of one may give way to
/// its new text; if one may not, nothing is written.
pub(crate) fn write(
    files: Vec<NewFile>,
    replaceable: impl Fn(&str, &str) -> bool,
) -> Result<Vec<(PathBuf, FileOutcome)>, CommandError> {
    let mut planned = Vec::new();
    for file in files {
        let outcome = match read_regular(&file.path, LARGEST) {
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => FileOutcome::Written,
            Err(error) => {
                let shown = file.path.display();
                return Err(CommandError::new(format!(
                    "cannot look at what is at `{shown}`: {error}"
                )));
            }
            Ok(there) if there == file.text.as_bytes() => FileOutcome::Unchanged,
            Ok(there) if std::str::from_utf8(&there).is_ok_and(|there| replaceable(there, &file.text)) => {
                FileOutcome::Replaced
            }
            Ok(_) => {
                let shown = file.path.display();
                return Err(CommandError::new(format!(
                    "`{shown}` is there already, and is not replaced; nothing was written"
                ))
                .hint("name another directory, or move the file away"));
            }
        };
        planned.push((file, outcome));
    }
    planned
        .into_iter()
        .map(|(file, outcome)| match place(&file, outcome) {
            Ok(()) => Ok((file.path, outcome)),
            Err(error) => Err(CommandError::failed(format!(
                "cannot write `{}`: {error}",
                file.path.display()
            ))),
        })
        .collect()
}

fn place(file: &NewFile, outcome: FileOutcome) -> io::Result<()> {
    if outcome == FileOutcome::Unchanged {
        return Ok(());
    }
    let directory = match file.path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(directory)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // These files are for everybody, unlike most temporary ones; the umask still applies.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut written = builder.tempfile_in(directory)?;
    written.write_all(file.text.as_bytes())?;
    // Somebody else may have put a file there since it was looked at.
    let placed = match outcome {
        FileOutcome::Written => written.persist_noclobber(&file.path),
        FileOutcome::Replaced | FileOutcome::Unchanged => written.persist(&file.path),
    };
    placed.map(drop).map_err(|error| error.error)
}
