//! Which room may import which, in the library and in the plugin.

use std::path::{Path, PathBuf};

use architecture::{Crate, Graph};

/// The longest chain of files of which each imports the next.
const LONGEST_CHAIN: usize = 12;

/// A room, and the rooms it may import from. A file of the root is a room of its own.
type Rooms = &'static [(&'static str, &'static [&'static str])];

fn sources(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the repository");
    std::env::var("OLD").map_or(root.join(path), PathBuf::from)
}

#[test]
fn dump() {
    for path in ["host/runner/src", "host/cli/src", "step-osquery/src"] {
        let read = Crate::read(&sources(path));
        let imports = read.imports();
        let graph = Graph::new(&read.files(), &imports);
        println!("## {path}: {} files", read.files().len());
        for cycle in graph.cycles() {
            println!("cycle of {}: {}", cycle.len(), cycle.join(" "));
        }
        let chain = graph.longest_chain();
        println!("chain of {}: {}", chain.len(), chain.join("\n   "));
        for import in &imports {
            let room = |f: &str| f.split_once('/').map_or(f.to_owned(), |(r, _)| r.to_owned());
            println!(
                "E {} -> {}   {}:{} -> {}",
                room(&import.from),
                room(&import.to),
                import.from,
                import.line,
                import.to
            );
        }
    }
}
