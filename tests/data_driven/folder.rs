//! Reading the folders of cases.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of all tests.
pub(crate) fn tests() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests"))
}

/// Returns the folders in a folder, by name.
pub(crate) fn folders(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.is_dir()).collect()
}

/// Returns the files in a folder, by name.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| !path.is_dir()).collect()
}

/// Returns the files beside the folders of cases that are not about all of them.
pub(crate) fn strays(root: &Path) -> Vec<PathBuf> {
    let about_all = ["README.md", ".gitattributes"];
    let files = files(root).into_iter();
    files.filter(|path| !about_all.contains(&file_name(path))).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

pub(crate) fn file_name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .expect("cases have names in UTF-8")
}
