//! Every input that the fuzzers start from, and every one that once showed a defect.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "says which input it was"
)]

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_kept_input_is_read_without_a_finding() {
    for (name, target) in fuzz::TARGETS {
        let seeds = inputs("seeds", name);
        assert!(!seeds.is_empty(), "{name} has seeds");
        for path in seeds.into_iter().chain(inputs("regressions", name)) {
            // Shown only if this fails.
            println!("{}", path.display());
            target(&fs::read(path).unwrap());
        }
    }
}

#[test]
fn every_target_has_a_fuzzer() {
    let fuzzers = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzzers");
    let mut files: Vec<String> = fs::read_dir(fuzzers)
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, fuzz::TARGETS.map(|(name, _)| name));
}

fn inputs(kind: &str, name: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(name);
    let Ok(files) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}
