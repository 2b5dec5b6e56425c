//! Reads files of any kind, up to a size.

use std::io;
use std::path::Path;

use playbook_host::files::{read_bounded, read_regular};

use crate::error::CommandError;

/// A file's bytes; `-` is standard input.
pub(crate) fn read(path: &Path, largest: u64) -> Result<Vec<u8>, CommandError> {
    let read = if path == Path::new("-") {
        read_bounded(io::stdin(), largest)
    } else {
        read_regular(path, largest)
    };
    read.map_err(|error| CommandError::new(format!("cannot read `{}`: {error}", path.display())))
}
