//! `playbook schema`.

use std::path::Path;

use playbook_host::Runner;
use playbook_host::net::POLICY_SCHEMA;
use playbook_host::testing::TEST_SCHEMA;
use playbook_host::text::{PLUGIN_SCHEMA, Schema};
use serde_json::Value;

use crate::args::SchemaArgs;
use crate::error::{CommandError, Exit};
use crate::files::{self, NewFile};
use crate::inputs;
use crate::output::{Padded, Text, print, print_json_text, text};

/// The schema of what `playbook run --output json` prints.
const RUN: &str = include_str!("../../schemas/run.schema.json");
/// The schema of a line that `playbook run --output ndjson` prints.
const RUN_EVENT: &str = include_str!("../../schemas/run-event.schema.json");
/// The schema of what `playbook run --dry-run --output json` prints.
const PLAN: &str = include_str!("../../schemas/plan.schema.json");
/// The schema of what `playbook run --record` leaves.
const RECORD: &str = include_str!("../../schemas/record.schema.json");

pub(crate) async fn schema(args: SchemaArgs) -> Result<Exit, CommandError> {
    let runner = inputs::runner(&args.plugins, &[]).await?;
    let known = all(&runner);
    if let Some(dir) = &args.all {
        return write(known, dir);
    }
    let Some(name) = args.name else {
        print(known.iter().map(|(name, _)| text!("{}\n", name)).collect::<Text>())?;
        return Ok(Exit::Success);
    };
    let Some((_, text)) = known.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
        return Err(CommandError::new(format!("there is no schema `{name}`"))
            .hint(format!("the schemas are {}", names.join(", "))));
    };
    print_json_text(text)?;
    Ok(Exit::Success)
}

/// The schemas of the files that people write.
pub(crate) fn of_files(runner: &Runner) -> [(&'static str, String); 3] {
    [
        ("playbook", text(&runner.playbook_schema())),
        ("connector", text(&runner.connector_schema())),
        ("test", TEST_SCHEMA.to_owned()),
    ]
}

/// What the file of a schema is called.
pub(crate) fn file_name(schema: &str) -> String {
    format!("{schema}.schema.json")
}

/// All schemas, by name.
fn all(runner: &Runner) -> Vec<(String, String)> {
    let own = [
        ("run", RUN),
        ("run-event", RUN_EVENT),
        ("plan", PLAN),
        ("policy", POLICY_SCHEMA),
        ("record", RECORD),
        ("plugin", PLUGIN_SCHEMA),
    ];
    let own = own.map(|(name, text)| (name, text.to_owned()));
    let written = of_files(runner).into_iter();
    let mut known: Vec<(String, String)> = written.chain(own).map(|(name, text)| (name.to_owned(), text)).collect();
    let mut add = |name: String, schema: &Schema| known.push((name, text(schema.document())));
    for step_type in runner.step_types() {
        add(step_type.name.clone(), &step_type.params);
        add(format!("{}.result", step_type.name), &step_type.result);
    }
    for connector in runner.connector_types() {
        add(format!("{}.config", connector.name), &connector.config);
        add(format!("{}.connector_config", connector.name), &connector.options);
        for format in &connector.formats {
            add(format!("{}.event.{}", connector.name, format.name), &format.schema);
        }
    }
    known
}

fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

fn write(schemas: Vec<(String, String)>, dir: &Path) -> Result<Exit, CommandError> {
    let mut planned = Vec::new();
    for (name, text) in schemas {
        // A plugin chose it: it must not lead out of the directory.
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.starts_with('.') || !name.chars().all(plain) {
            return Err(CommandError::new(format!(
                "the schema {name:?} cannot be written: its name is none for a file"
            )));
        }
        planned.push(NewFile {
            path: dir.join(file_name(&name)),
            text,
        });
    }
    let written = files::write(planned, is_earlier)?.into_iter();
    let shown = written.map(|(path, outcome)| text!("{} {}\n", Padded(outcome.word(), 9), path));
    print(shown.collect::<Text>())?;
    Ok(Exit::Success)
}

/// Whether a text is another version of a schema, by what they call themselves.
fn is_earlier(there: &str, new: &str) -> bool {
    let id = |text: &str| {
        let schema: Option<Value> = serde_json::from_str(text).ok();
        schema.and_then(|schema| Some(schema.get("$id")?.as_str()?.to_owned()))
    };
    id(there).is_some_and(|there| Some(there) == id(new))
}
