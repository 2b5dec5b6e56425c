//! `playbook init`: files to begin with.

use std::fmt::Write as _;
use std::path::Path;

use crate::args::InitArgs;
use crate::commands::schema;
use crate::error::{CommandError, Exit};
use crate::files::{self, NewFile};
use crate::inputs;
use crate::terminal::print;

/// The files, of which the examples have copies. They name their schema as it is seen from there.
const FILES: [(&str, &str); 3] = [
    (PLAYBOOK, include_str!("../../playbooks/starter/playbook.yaml")),
    (
        "playbook.test.yaml",
        include_str!("../../playbooks/starter/playbook.test.yaml"),
    ),
    (CONNECTOR, include_str!("../../playbooks/starter/connector.yaml")),
];

const PLAYBOOK: &str = "playbook.yaml";
const CONNECTOR: &str = "connector.yaml";

pub(crate) async fn init(args: InitArgs) -> Result<Exit, CommandError> {
    let runner = inputs::runner(&args.plugins, None).await?;
    let dir = args.dir.unwrap_or_default();
    let mut planned: Vec<NewFile> = FILES
        .iter()
        .map(|(name, text)| NewFile {
            path: dir.join(name),
            text: text.replacen("$schema=../../schemas/", "$schema=schemas/", 1),
        })
        .collect();
    for (name, text) in schema::of_files(&runner) {
        planned.push(NewFile {
            path: dir.join("schemas").join(schema::file_name(name)),
            text,
        });
    }
    let mut shown = String::new();
    for (path, outcome) in files::write(planned, |_, _| false)? {
        let _ = writeln!(shown, "{:9} {}", outcome.word(), path.display());
    }
    let at = |name: &str| quoted(&dir.join(name));
    let (playbook, connector) = (at(PLAYBOOK), at(CONNECTOR));
    let _ = write!(
        shown,
        "\nNext:\n  \
         1. Fill in what both files mark with FILL IN. Editors with a YAML language server complete and explain the keys.\n  \
         2. playbook validate {playbook}, and playbook test {playbook}\n  \
         3. echo '{{\"host\": \"web-01\", \"severity\": \"high\"}}' | playbook run {playbook} --alert -\n  \
         4. playbook check {connector}, and then playbook poll {connector}\n"
    );
    print(&shown)?;
    Ok(Exit::Success)
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let shown = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if shown.chars().all(plain) {
        shown
    } else {
        format!("'{}'", shown.replace('\'', r"'\''"))
    }
}
