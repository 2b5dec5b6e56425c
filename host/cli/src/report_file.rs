//! The file that `--report` names.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::CommandError;

/// A page on its way to its place: until it is complete, the place keeps what it had.
#[derive(Debug)]
pub(crate) struct ReportFile {
    path: PathBuf,
    unfinished: NamedTempFile,
}

impl ReportFile {
    /// A file that will stand at this path, for the user alone.
    pub(crate) fn create(path: &Path) -> Result<Self, CommandError> {
        // A link could have been planted to have any file of this user's replaced.
        let found = path.symlink_metadata();
        let wrong = match &found {
            Ok(found) if found.is_symlink() => Some("it is a symbolic link; name the file itself"),
            Ok(found) if !found.is_file() => Some("it is not a regular file"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(
                CommandError::new(format!("cannot write to `{}`: {wrong}", path.display()))
                    .hint("--report names a file, for example `run.html`"),
            );
        }
        let directory = match path.parent() {
            Some(directory) if directory != Path::new("") => directory,
            _ => Path::new("."),
        };
        let unfinished = tempfile::Builder::new()
            .prefix(".playbook-")
            .suffix(".html")
            .tempfile_in(directory)
            .map_err(|error| cannot_write(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            unfinished,
        })
    }

    /// Puts the page in its place. A link that was put there meanwhile gives way, and not what it leads to.
    pub(crate) fn write(mut self, page: &str) -> Result<(), CommandError> {
        let failed = |path: &Path, error: &io::Error| CommandError {
            exit: crate::error::Exit::Failed,
            ..cannot_write(path, error)
        };
        let written = self.unfinished.write_all(page.as_bytes());
        written
            .and_then(|()| self.unfinished.as_file().sync_all())
            .map_err(|error| failed(&self.path, &error))?;
        self.unfinished
            .persist(&self.path)
            .map_err(|error| failed(&self.path, &error.error))?;
        Ok(())
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> CommandError {
    CommandError::new(format!("cannot write to `{}`: {error}", path.display()))
}
