//! Records as files.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tempfile::NamedTempFile;

use super::{RECORD_VERSION, RunRecord};
use crate::files::{self, FileError};
use crate::text::weight::{self, Unread};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 128 << 20;

/// The most memory that a record may take once it is read, in bytes.
const HEAVIEST: usize = 256 << 20;

/// Why a record could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The run's id cannot be the name of a file.
    #[error("the run id {0:?} cannot be the name of a file")]
    Name(String),
    /// It could not be written.
    #[error("cannot write the record `{}`: {source}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be read.
    #[error("cannot read the record `{}`: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
    /// It would take more memory than any record may.
    #[error("the record would take more than {} MiB of memory", HEAVIEST >> 20)]
    TooHeavy,
    /// It is larger than any record that is read.
    #[error("the record has more than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// It is no record.
    #[error("this is not a run record: {0}")]
    NotARecord(String),
    /// A newer version of this library made it.
    #[error("the record has the version {version}, and this program reads versions up to {RECORD_VERSION}")]
    Newer {
        /// Its version.
        version: u64,
    },
}

/// A record on its way to its place: a file named by the run's id, for the user alone.
#[derive(Debug)]
pub struct RecordFile {
    path: PathBuf,
    unfinished: NamedTempFile,
}

impl RecordFile {
    /// Makes sure that the record of a run can be written to a directory, which is made, for the user alone, if need be.
    pub fn create(directory: &Path, run_id: &str) -> Result<Self, RecordError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if run_id.is_empty() || run_id.len() > 128 || run_id.starts_with('.') || !run_id.chars().all(plain) {
            return Err(RecordError::Name(run_id.to_owned()));
        }
        let path = directory.join(format!("{run_id}.json"));
        let failed = |source| RecordError::Write {
            path: path.clone(),
            source,
        };
        files::private_folder(directory).map_err(failed)?;
        let unfinished = tempfile::Builder::new()
            .prefix(".playbook-")
            .suffix(".json")
            .tempfile_in(directory)
            .map_err(failed)?;
        Ok(Self { path, unfinished })
    }

    /// Puts the record in its place, whole, and says where that is. A file that is there already stays.
    pub fn write(mut self, record: &RunRecord) -> Result<PathBuf, RecordError> {
        let path = self.path;
        let failed = |source| RecordError::Write {
            path: path.clone(),
            source,
        };
        let written = self.unfinished.write_all(record.to_json().as_bytes());
        written
            .and_then(|()| self.unfinished.as_file().sync_all())
            .map_err(failed)?;
        self.unfinished
            .persist_noclobber(&path)
            .map_err(|error| failed(error.error))?;
        Ok(path)
    }
}

impl RunRecord {
    /// Reads a record of this version or an earlier one.
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        let failed = |source| RecordError::Read {
            path: path.to_owned(),
            source,
        };
        match files::read_regular(path, LARGEST) {
            Ok(bytes) => Self::parse(&bytes),
            Err(FileError::TooLarge(_)) => Err(RecordError::TooLarge),
            Err(error) => Err(failed(error)),
        }
    }

    /// The same for its bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        /// What all versions have.
        #[derive(Deserialize)]
        struct Versioned {
            version: u64,
        }
        if bytes.len() as u64 > LARGEST {
            return Err(RecordError::TooLarge);
        }
        let invalid = |error: serde_json::Error| RecordError::NotARecord(error.to_string());
        weight::of(bytes, HEAVIEST).map_err(|unread| match unread {
            Unread::Json(error) => invalid(error),
            Unread::TooLarge { .. } => RecordError::TooHeavy,
        })?;
        let Versioned { version } = serde_json::from_slice(bytes).map_err(invalid)?;
        match version {
            1 => serde_json::from_slice(bytes).map_err(invalid),
            0 => Err(RecordError::NotARecord("there is no version 0".into())),
            _ => Err(RecordError::Newer { version }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_small_to_write_and_huge_to_hold_is_refused() {
        let rows = "{},".repeat(4_000_000);
        let text = format!(r#"{{"version": 1, "report": [{rows}{{}}]}}"#);
        assert!(matches!(RunRecord::parse(text.as_bytes()), Err(RecordError::TooHeavy)));
    }
}
