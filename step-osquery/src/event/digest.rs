//! Digests by which events, rows and remembered entries are recognised.

use sha2::{Digest as _, Sha256};

use crate::osquery::Row;

/// Returns a key made of these parts: half of a SHA-256, in hexadecimal. A part cannot run into the next.
pub(crate) fn digest_of(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hex(&hasher.finalize()[..16])
}

/// Returns a digest of a row's columns and values, whatever the order of the columns.
pub(crate) fn row_digest(row: &Row) -> String {
    let mut columns: Vec<_> = row.iter().collect();
    columns.sort_unstable_by_key(|(column, _)| *column);
    let mut hasher = Sha256::new();
    for (column, value) in columns {
        for text in [column.as_str(), value.as_str().unwrap_or_default()] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
    }
    hex(&hasher.finalize()[..8])
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}
