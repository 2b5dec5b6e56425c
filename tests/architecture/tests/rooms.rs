//! Which room may import which, in the library, the command and the plugin.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use architecture::{Crate, Graph, Import};

/// The longest chain of rooms, and of files within one room, of which each imports the next.
const LONGEST_CHAIN: usize = 12;

/// A room, and the rooms it may import. A file of the root is a room of its own.
type Rooms = &'static [(&'static str, &'static [&'static str])];

/// Leaves that any room of the library may import.
const LIBRARY_LEAVES: &[&str] = &["backoff.rs", "clock.rs", "files.rs", "limits"];

const LIBRARY: Rooms = &[
    ("backoff.rs", &[]),
    ("clock.rs", &[]),
    ("files.rs", &[]),
    ("limits", &[]),
    ("text", &[]),
    ("secrets", &["text"]),
    ("net", &["text", "secrets"]),
    ("language", &["text", "secrets", "net"]),
    ("sandbox", &["text", "secrets", "net"]),
    ("poll", &["text", "secrets", "net", "language", "sandbox"]),
    ("runner.rs", &["text", "secrets", "net", "language", "sandbox", "poll"]),
    ("file_schema.rs", &["text", "language", "poll", "runner.rs"]),
    (
        "run",
        &["text", "secrets", "net", "language", "sandbox", "poll", "runner.rs"],
    ),
    (
        "testing",
        &["text", "secrets", "net", "language", "sandbox", "runner.rs", "run"],
    ),
    ("views", &["text", "run"]),
    (
        "definition.rs",
        &["text", "language", "poll", "runner.rs", "run", "testing"],
    ),
];

const PLUGIN: Rooms = &[
    ("contract", &[]),
    ("text.rs", &[]),
    ("osquery", &["contract", "text.rs"]),
    ("template", &["contract", "text.rs"]),
    ("server", &["contract", "text.rs"]),
    ("live_query", &["contract", "text.rs", "osquery", "template", "server"]),
    ("event", &["contract", "text.rs", "osquery", "template", "server"]),
    (
        "polling",
        &["contract", "text.rs", "osquery", "template", "server", "event"],
    ),
    (
        "fleet",
        &[
            "contract",
            "text.rs",
            "osquery",
            "template",
            "server",
            "live_query",
            "event",
            "polling",
        ],
    ),
    (
        "osctrl",
        &[
            "contract",
            "text.rs",
            "osquery",
            "template",
            "server",
            "live_query",
            "event",
            "polling",
        ],
    ),
    (
        "exports",
        &[
            "contract",
            "text.rs",
            "osquery",
            "template",
            "server",
            "live_query",
            "event",
            "polling",
            "fleet",
            "osctrl",
        ],
    ),
    (
        "component",
        &["contract", "template", "live_query", "event", "polling", "exports"],
    ),
];

fn sources(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("the repository").join(path)
}

/// The room of a file: its topmost folder, or the file itself.
fn room(file: &str) -> &str {
    file.split_once('/').map_or(file, |(room, _)| room)
}

/// Each import that leads from a room into one that it may not import, with its line.
fn forbidden(path: &str, imports: &[Import], rooms: Rooms, leaves: &[&str], roots: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for Import { from, line, to } in imports {
        let (here, there) = (room(from), room(to));
        if here == there || leaves.contains(&there) || roots.contains(&here) {
            continue;
        }
        match rooms.iter().find(|(name, _)| *name == here) {
            Some((_, allowed)) if allowed.contains(&there) => {}
            Some((_, allowed)) => found.push(format!(
                "{path}/{from}:{line} imports {to}: `{here}` may import {allowed:?} only"
            )),
            None => found.push(format!("{path}/{from}:{line}: the room `{here}` is in no table")),
        }
    }
    found
}

/// The same imports, between rooms.
fn between_rooms(imports: &[Import]) -> Graph {
    let imports: Vec<_> = imports
        .iter()
        .map(|import| Import {
            from: room(&import.from).to_owned(),
            line: import.line,
            to: room(&import.to).to_owned(),
        })
        .filter(|import| import.from != import.to)
        .collect();
    let rooms: BTreeSet<_> = imports
        .iter()
        .flat_map(|import| [&import.from, &import.to])
        .cloned()
        .collect();
    Graph::new(&rooms.into_iter().collect::<Vec<_>>(), &imports)
}

/// The imports within one room.
fn within(room_: &str, files: &[String], imports: &[Import]) -> Graph {
    let files: Vec<_> = files.iter().filter(|file| room(file) == room_).cloned().collect();
    let imports: Vec<_> = imports
        .iter()
        .filter(|import| room(&import.from) == room_ && room(&import.to) == room_)
        .cloned()
        .collect();
    Graph::new(&files, &imports)
}

fn check(path: &str, rooms: Option<(Rooms, &[&str])>) {
    let read = Crate::read(&sources(path));
    let (files, imports) = (read.files(), read.imports());
    assert!(!imports.is_empty(), "no import was found below {path}");

    if let Some((rooms, leaves)) = rooms {
        let found = forbidden(path, &imports, rooms, leaves, &["lib.rs", "main.rs"]);
        assert!(found.is_empty(), "\n{}\n", found.join("\n"));
    }
    let cycles = Graph::new(&files, &imports).cycles();
    assert!(
        cycles.is_empty(),
        "files of {path} import each other in circles: {cycles:#?}"
    );

    let chain = between_rooms(&imports).longest_chain();
    assert!(chain.len() <= LONGEST_CHAIN, "a chain of rooms of {path}: {chain:#?}");
    let names: BTreeSet<_> = files.iter().map(|file| room(file)).collect();
    for name in names {
        let chain = within(name, &files, &imports).longest_chain();
        assert!(
            chain.len() <= LONGEST_CHAIN,
            "a chain of files of {path}/{name}: {chain:#?}"
        );
    }
}

#[test]
fn rooms_of_the_library_import_only_what_lies_below_them() {
    check("host/runner/src", Some((LIBRARY, LIBRARY_LEAVES)));
}

#[test]
fn rooms_of_the_plugin_import_only_what_lies_below_them() {
    check("step-osquery/src", Some((PLUGIN, &[])));
}

#[test]
fn files_of_the_command_do_not_import_each_other_in_circles() {
    check("host/cli/src", None);
}

#[test]
fn every_line_that_breaks_a_rule_is_named() {
    let import = |from: &str, line, to: &str| Import {
        from: from.to_owned(),
        line,
        to: to.to_owned(),
    };
    let imports = [
        import("net/tls.rs", 7, "text/source.rs"),
        import("net/egress/mod.rs", 22, "sandbox/transcript/tape.rs"),
        import("lib.rs", 3, "run/mod.rs"),
        import("cellar/door.rs", 4, "text/source.rs"),
    ];
    let found = forbidden("src", &imports, LIBRARY, LIBRARY_LEAVES, &["lib.rs"]);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("src/net/egress/mod.rs:22 imports sandbox/transcript/tape.rs"));
    assert!(found[1].starts_with("src/cellar/door.rs:4: the room `cellar` is in no table"));
}

#[test]
fn circles_are_found_and_families_are_not_circles() {
    let import = |from: &str, to: &str| Import {
        from: from.to_owned(),
        line: 1,
        to: to.to_owned(),
    };
    let files = ["a/mod.rs", "a/one.rs", "a/two/mod.rs", "b.rs"].map(str::to_owned);
    let family = [
        import("a/mod.rs", "a/one.rs"),
        import("a/one.rs", "a/mod.rs"),
        import("a/two/mod.rs", "a/mod.rs"),
    ];
    assert_eq!(Graph::new(&files, &family).cycles(), Vec::<Vec<String>>::new());
    let circle = [
        import("a/one.rs", "b.rs"),
        import("b.rs", "a/two/mod.rs"),
        import("a/two/mod.rs", "a/one.rs"),
    ];
    assert_eq!(
        Graph::new(&files, &circle).cycles(),
        [["a/one.rs", "a/two/mod.rs", "b.rs"]]
    );
    assert_eq!(
        Graph::new(&files, &family[2..]).longest_chain(),
        ["a/two/mod.rs", "a/mod.rs"]
    );
}
