//! Reading a text from a file or a stream, and what keeps it from being one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use secrecy::zeroize::Zeroizing;

use crate::files::{self, FileError};
use crate::text::diagnostic::{Code, Diagnostic, Diagnostics, Place};
use crate::text::source::Source;

/// The largest text, in bytes.
const LARGEST: usize = 1 << 20;

impl Source {
    /// A text from its bytes, which must be UTF-8.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, Diagnostics> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(name, text)),
            Err(error) => Err(not_utf8(name.into(), &Zeroizing::new(error.into_bytes())).into()),
        }
    }

    /// Reads a file, of which no more than is allowed is looked at.
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        let name = path.display().to_string();
        match files::read_regular(path, LARGEST as u64) {
            Ok(bytes) => Self::from_bytes(name, bytes),
            Err(error) => Err(unreadable(&name, &error).into()),
        }
    }

    /// Reads a text from what is open already, such as standard input.
    pub fn read_from(name: impl Into<String>, reader: impl io::Read) -> Result<Self, Diagnostics> {
        let name = name.into();
        match files::read_bounded(reader, LARGEST as u64) {
            Ok(bytes) => Self::from_bytes(name, bytes),
            Err(error) => Err(unreadable(&name, &error).into()),
        }
    }

    /// Refuses a text that is too large to be meant.
    pub(crate) fn check_size(&self) -> Result<(), Diagnostic> {
        if self.text().len() > LARGEST {
            return Err(too_large(self.name().to_owned()));
        }
        Ok(())
    }
}

pub(crate) fn unreadable(name: &str, error: &FileError) -> Diagnostic {
    if let FileError::TooLarge(_) = error {
        return too_large(name.to_owned());
    }
    let problem = Diagnostic::error(Code::UnreadableFile, format!("cannot read `{name}`: {error}"));
    let hint = matches!(error, FileError::NotRegular).then(|| "name a file, or `-` for standard input".to_owned());
    problem.at(Place::whole(name)).maybe_hint(hint)
}

fn too_large(name: String) -> Diagnostic {
    Diagnostic::error(Code::TooLarge, format!("the file is larger than {} MiB", LARGEST >> 20))
        .at(Place::whole(name))
        .hint("is it the file you meant?")
}

fn not_utf8(name: String, bytes: &[u8]) -> Diagnostic {
    let valid = bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
    let byte = bytes.get(valid).copied().unwrap_or_default();
    let wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let hint = if wide {
        "it looks like UTF-16; save it as UTF-8"
    } else {
        "save it as UTF-8; it may be in an older encoding such as Windows-1252"
    };
    // Only for its place to be shown: what is not text becomes a mark.
    let source = Arc::new(Source::new(name, String::from_utf8_lossy(bytes)));
    Diagnostic::error(
        Code::NotUtf8,
        format!("the file is not UTF-8 text: the byte 0x{byte:02x} is not part of any character"),
    )
    .at(Place::bytes(source, valid..valid + '\u{fffd}'.len_utf8()))
    .hint(hint)
}
