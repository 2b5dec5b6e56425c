//! How long source files are: one idea each.

use std::fs;
use std::path::{Path, PathBuf};

/// The longest source file, in lines.
const LONGEST: usize = 500;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_source_file_is_longer_than_one_idea() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the repository");
    let mut files = Vec::new();
    for folder in ["host", "step-osquery", "tests"] {
        sources(&root.join(folder), &mut files);
    }
    let long = files.iter().filter_map(|file| {
        let lines = fs::read_to_string(file).expect("a text").lines().count();
        let name = file.strip_prefix(root).expect("a file of the repository").display();
        (lines > LONGEST).then(|| format!("{name} has {lines} lines"))
    });
    let long: Vec<_> = long.collect();
    assert!(long.is_empty(), "longer than {LONGEST} lines: {long:#?}");
}
