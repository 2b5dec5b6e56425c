//! Expectations: plain files beside the inputs they belong to.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::folder::tests;

/// Compares `found` with the expectation in `file`.
///
/// If they differ, writes `found` to a file beside it, for review. In CI, where nobody would see that file, it only fails.
pub(crate) fn compare(file: &Path, found: &str) -> Result<(), String> {
    let expected = match fs::read_to_string(file) {
        Ok(expected) => Some(expected),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(format!("{}: {error}", file.display())),
    };
    let new = proposed(file);
    if expected.as_deref() == Some(found) {
        // Left by an earlier failure.
        let _ = fs::remove_file(new);
        return Ok(());
    }
    let (file, new_name) = (shown(file), shown(&new));
    let fault = match &expected {
        Some(_) => format!("{file} differs from what was found"),
        None => format!("{file} does not exist"),
    };
    let expected = expected.unwrap_or_default();
    let diff = TextDiff::from_lines(expected.as_str(), found);
    let diff = diff.unified_diff().header("expected", "found").to_string();
    let accept = if std::env::var_os("CI").is_some() {
        String::new()
    } else {
        fs::write(&new, found).map_err(|error| format!("{new_name}: {error}"))?;
        format!("\nto accept what was found: mv {new_name} {file}")
    };
    Err(format!("{fault}:\n{diff}{accept}"))
}

/// The file that a changed expectation is proposed in.
fn proposed(file: &Path) -> PathBuf {
    file.with_added_extension("new")
}

/// A path as it is written at the root of the workspace.
fn shown(path: &Path) -> String {
    let path = path.strip_prefix(tests()).unwrap_or(path);
    format!("tests/{}", path.display())
}
