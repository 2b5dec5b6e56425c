//! Reads files of any kind, up to a size.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use crate::error::CommandError;

/// A file's bytes; `-` is standard input.
pub(crate) fn read(path: &Path, largest: u64) -> Result<Vec<u8>, CommandError> {
    let failed = |e: io::Error| CommandError::new(format!("cannot read `{}`: {e}", path.display()));
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().take(largest + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        fs::File::open(path)
            .map_err(failed)?
            .take(largest + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
    }
    if bytes.len() as u64 > largest {
        return Err(CommandError::new(format!(
            "`{}` is larger than {largest} bytes",
            path.display()
        )));
    }
    Ok(bytes)
}
