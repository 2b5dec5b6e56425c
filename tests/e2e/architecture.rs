//! Rules of the architecture that lints can be talked out of: here is where, and nowhere else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// All Rust files of ours below a folder, by their path from the root.
fn sources(folder: &str) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let (mut folders, mut found) = (vec![root.join(folder)], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// Where a pattern occurs outside of comments, and how often.
fn occurrences(folders: &[&str], pattern: &str) -> Vec<(String, usize)> {
    let files = folders.iter().flat_map(|folder| sources(folder));
    let counted = files.map(|(name, text)| {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        (name, code.filter(|line| line.contains(pattern)).count())
    });
    counted.filter(|(_, count)| *count > 0).collect()
}

fn named(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
    expected
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[test]
fn unsafe_code_is_where_it_cannot_be_done_without_and_nowhere_else() {
    let folders = ["host", "step-osquery", "tests"];
    let keyword = concat!("unsafe", " {");
    assert_eq!(
        occurrences(&folders, keyword),
        named(&[("host/runner/src/sandbox/cache.rs", 1)])
    );
    // A test gives the runtime memories that can be looked into.
    let found = occurrences(&folders, concat!("unsafe", " impl"));
    assert_eq!(found, named(&[("host/runner/src/sandbox/engine/guest_memory.rs", 2)]));
    for other in [
        concat!("unsafe", " fn"),
        concat!("unsafe", " extern"),
        concat!("unsafe", "("),
    ] {
        assert_eq!(occurrences(&folders, other), []);
    }
    // The bindings of the guest are generated; what they hold runs in the sandbox.
    let allowed = concat!("unsafe", "_code");
    let expected = named(&[
        ("host/runner/src/sandbox/cache.rs", 1),
        ("host/runner/src/sandbox/engine/guest_memory.rs", 2),
        ("step-osquery/src/component/mod.rs", 1),
    ]);
    let mut found = occurrences(&folders, allowed);
    found.retain(|(name, _)| !name.ends_with("architecture.rs") && !name.ends_with("lib.rs"));
    assert_eq!(found, expected);
}

#[test]
fn every_line_of_the_threat_model_names_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let defences = text.split("## What stands between").nth(1).unwrap();
    let lines = defences.lines().filter(|line| line.starts_with("| "));
    let lines: Vec<&str> = lines.filter(|line| !line.starts_with("| defence")).collect();
    assert!(lines.len() > 30);
    for line in lines {
        let mut named = line
            .rsplit(" | ")
            .next()
            .unwrap()
            .split('`')
            .skip(1)
            .step_by(2)
            .peekable();
        assert!(named.peek().is_some(), "{line}");
        let mut source = None;
        for name in named {
            if name.starts_with("make ") || root.join(name).exists() {
                source = fs::read_to_string(root.join(name)).ok();
            } else {
                let source = source.as_deref().unwrap_or_default();
                assert!(
                    source.contains(&format!("fn {name}(")),
                    "there is no test {name}: {line}"
                );
            }
        }
    }
}

#[test]
fn everything_is_printed_on_one_way() {
    let host = ["host/cli/src", "host/runner/src"];
    for (pattern, expected) in [
        // Clippy finds calls; these are the functions however they are named.
        (concat!("io::", "stdout"), &[("host/cli/src/output/stream.rs", 2)][..]),
        (concat!("io::", "stderr"), &[("host/cli/src/output/stream.rs", 2)]),
        (concat!("anstream", "::std"), &[]),
        (concat!("io::", "Stdout"), &[]),
        (concat!("io::", "Stderr"), &[]),
        (concat!("/dev/", "tty"), &[]),
        // What is not made visible piece by piece: texts of the library, and those of the program itself.
        (
            concat!("Text::", "rendered("),
            &[
                ("host/cli/src/command_line.rs", 1),
                ("host/cli/src/commands/run.rs", 1),
                ("host/cli/src/output/mod.rs", 1),
                ("host/cli/src/output/screen.rs", 1),
                ("host/cli/src/plan.rs", 1),
            ],
        ),
        (
            concat!("Text::", "own("),
            &[
                ("host/cli/src/commands/completions.rs", 1),
                ("host/cli/src/commands/explain.rs", 1),
                ("host/cli/src/commands/man.rs", 1),
            ],
        ),
        (concat!("Text::", "of("), &[("host/cli/src/output/text.rs", 1)]),
    ] {
        let mut found = occurrences(if pattern.starts_with("Text") { &host[..1] } else { &host }, pattern);
        // Tests call these, too.
        found.retain(|(name, _)| {
            !name.ends_with("tests.rs") && (name != "host/cli/src/output/text.rs" || pattern.ends_with("of("))
        });
        assert_eq!(found, named(expected), "{pattern}");
    }
}

#[test]
fn files_are_read_within_bounds() {
    let host = ["host/cli/src", "host/runner/src"];
    for pattern in [
        concat!("fs::", "read("),
        concat!("fs::", "read_to_string("),
        concat!(" File::", "open("),
        concat!("fs::File::", "open("),
    ] {
        let mut found = occurrences(&host, pattern);
        found.retain(|(name, _)| !name.ends_with("tests.rs") && !name.ends_with("lib.rs"));
        // Files and folders of our own.
        let own = [
            "host/runner/src/sandbox/cache.rs",
            "host/runner/src/poll/state_file/mod.rs",
            "host/cli/src/compiler.rs",
        ];
        assert!(
            found.iter().all(|(name, _)| own.contains(&name.as_str())),
            "{pattern}: {found:?}"
        );
    }
}

#[test]
fn what_is_the_business_of_one_module_is_done_in_no_other() {
    let mut found = occurrences(
        &["host/cli/src", "host/runner/src", "step-osquery/src"],
        concat!("clippy::", "disallowed"),
    );
    let mut expected = named(&[
        ("host/runner/src/clock.rs", 1),
        // The width that the user wants, and the clock that people see.
        ("host/cli/src/terminal.rs", 2),
        // The streams, and the sizes of their terminals.
        ("host/cli/src/output/stream.rs", 4),
        // The last frame of an animation.
        ("host/cli/src/output/screen.rs", 1),
        ("host/cli/src/signals.rs", 1),
        // This program again, to compile a plugin.
        ("host/cli/src/compiler.rs", 1),
        // Clients, and which proxies the environment names.
        ("host/runner/src/net/egress/network.rs", 2),
        ("host/runner/src/sandbox/engine/mod.rs", 1),
        ("host/runner/src/limits/cpu.rs", 1),
        ("host/runner/src/net/resolver.rs", 1),
        ("host/runner/src/secrets/mod.rs", 1),
        // The program that gives secrets.
        ("host/runner/src/secrets/lookup.rs", 1),
        ("host/runner/src/net/tls.rs", 1),
    ]);
    // Tests look at the clock.
    found.retain(|(name, _)| !name.ends_with("tests.rs"));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}
