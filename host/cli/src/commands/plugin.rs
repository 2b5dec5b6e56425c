//! `playbook plugin`.

use std::path::PathBuf;

use playbook_host::sandbox::{Inspection, Provided, Statement};
use serde_json::{Value, json};

use crate::args::{InspectArgs, LockArgs, Output, PluginArgs, PluginCommand};
use crate::error::{CommandError, Exit};
use crate::inputs;
use crate::lock::Lock;
use crate::output::{Padded, print, print_json, text};

pub(crate) fn plugin(args: PluginArgs) -> Result<Exit, CommandError> {
    match args.command {
        PluginCommand::Inspect(args) => inspect(&args),
        PluginCommand::Lock(args) => lock(args),
    }
}

fn lock(args: LockArgs) -> Result<Exit, CommandError> {
    let mut inspected = Vec::new();
    for path in &args.files {
        inspected.push(inputs::inspect(path, &inputs::read_plugin(path)?)?);
    }
    let plugins = args.files.iter().map(PathBuf::as_path).zip(&inspected);
    let path = Lock::of(plugins).write(args.lock)?;
    let mut out = text!("{} pins\n", path);
    for (path, inspection) in args.files.iter().zip(&inspected) {
        out.push(&text!("  {}  {}\n", inspection.sha256, path));
    }
    print(out)?;
    Ok(Exit::Success)
}

fn inspect(args: &InspectArgs) -> Result<Exit, CommandError> {
    let (name, inspection) = if let Some(path) = &args.file {
        let inspection = inputs::inspect(path, &inputs::read_plugin(path)?)?;
        (path.display().to_string(), inspection)
    } else {
        let inspection = Inspection::read(embedded_plugin::COMPONENT);
        (
            inputs::BUILT_IN.to_owned(),
            inspection.expect("the build script wrote it"),
        )
    };
    let statement = inspection.statement.as_ref();
    let contract = statement.map(|statement| statement.contract.as_str());
    let provided = |of: fn(&Statement) -> &[Provided]| -> Vec<(&str, &str)> {
        let provided = statement.map(of).unwrap_or_default().iter();
        provided.map(|one| (one.name.as_str(), one.summary.as_str())).collect()
    };
    let types = provided(|statement| &statement.step_types);
    let connectors = provided(|statement| &statement.connectors);
    let named = |types: &[(&str, &str)]| -> Vec<Value> {
        let named = types
            .iter()
            .map(|(name, summary)| json!({"name": name, "summary": summary}));
        named.collect()
    };
    match args.output {
        Output::Json => print_json(&json!({
            "name": name,
            "size": inspection.size,
            "sha256": inspection.sha256,
            "contract": contract,
            "imports": inspection.imports,
            "exports": inspection.exports,
            "step_types": named(&types),
            "connectors": named(&connectors),
        }))?,
        Output::Table => {
            let mut out = text!("{}\n", name);
            let mut add = |label: &str, value: &str| out.push(&text!("  {} {}\n", Padded(label, 9), value));
            add("size", &format!("{} bytes", inspection.size));
            add("sha256", &inspection.sha256);
            add(
                "contract",
                contract.unwrap_or("not stated: only loading it shows what it provides"),
            );
            for (label, names) in [("imports", &inspection.imports), ("exports", &inspection.exports)] {
                for (index, name) in names.iter().enumerate() {
                    add(if index == 0 { label } else { "" }, name);
                }
            }
            for (label, types) in [("steps", &types), ("polls", &connectors)] {
                for (index, (name, summary)) in types.iter().enumerate() {
                    add(if index == 0 { label } else { "" }, &format!("{name}: {summary}"));
                }
            }
            print(out)?;
        }
    }
    Ok(Exit::Success)
}
