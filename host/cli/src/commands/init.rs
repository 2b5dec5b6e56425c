//! `playbook init`: files to begin with.

use std::path::Path;

use crate::args::InitArgs;
use crate::commands::schema;
use crate::error::{CommandError, Exit};
use crate::files::{self, NewFile};
use crate::inputs;
use crate::output::{Padded, Text, print, text};

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
    let runner = inputs::runner(&args.plugins, &[]).await?;
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
    let written = files::write(planned, |_, _| false)?.into_iter();
    let shown = written.map(|(path, outcome)| text!("{} {}\n", Padded(outcome.word(), 9), path));
    let at = |name: &str| quoted(&dir.join(name));
    let (playbook, connector) = (at(PLAYBOOK), at(CONNECTOR));
    let next = text!(
        "\nNext:\n  \
         1. Fill in what both files mark with FILL IN. Editors with a YAML language server complete and explain the keys.\n  \
         2. playbook validate {}, and playbook test {}\n  \
         3. echo '{{\"host\": \"web-01\", \"severity\": \"high\"}}' | playbook run {} --alert -\n  \
         4. playbook check {}, and then playbook poll {}\n",
        playbook,
        playbook,
        playbook,
        connector,
        connector
    );
    print(shown.chain([next]).collect::<Text>())?;
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
