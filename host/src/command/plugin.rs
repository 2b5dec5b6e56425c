//! `playbook plugin`.

use std::fmt::Write as _;

use playbook_host::{CONTRACT, Limits, Plugin};
use serde_json::{Value, json};

use super::args::{InspectArgs, Output, PluginArgs, PluginCommand};
use super::inputs;
use super::{CommandError, Exit, print};

pub(crate) async fn plugin(args: PluginArgs) -> Result<Exit, CommandError> {
    match args.command {
        PluginCommand::Inspect(args) => inspect(args).await,
    }
}

async fn inspect(args: InspectArgs) -> Result<Exit, CommandError> {
    let engine = inputs::engine()?;
    let (name, bytes) = match &args.file {
        Some(path) => (path.display().to_string(), inputs::read_plugin(path)?),
        None => (inputs::BUILT_IN.to_owned(), embedded_plugin::COMPONENT.to_vec()),
    };
    let plugin = Plugin::load(&engine, &name, &bytes, &Limits::default())
        .await
        .map_err(|error| inputs::plugin_error(&error))?;
    let types: Vec<(&str, &str)> = plugin
        .step_types()
        .iter()
        .map(|step| (step.name.as_str(), step.summary.as_str()))
        .collect();
    let connectors: Vec<(&str, &str)> = plugin
        .connector_types()
        .iter()
        .map(|connector| (connector.name.as_str(), connector.summary.as_str()))
        .collect();
    let named = |types: &[(&str, &str)]| -> Vec<Value> {
        let named = types
            .iter()
            .map(|(name, summary)| json!({"name": name, "summary": summary}));
        named.collect()
    };
    let shown = match args.output {
        Output::Json => {
            format!(
                "{:#}\n",
                json!({
                    "name": name,
                    "size": plugin.size(),
                    "sha256": plugin.sha256(),
                    "contract": CONTRACT,
                    "imports": plugin.imports(),
                    "exports": plugin.exports(),
                    "step_types": named(&types),
                    "connectors": named(&connectors),
                })
            )
        }
        Output::Table => {
            let mut out = format!("{name}\n");
            let mut add = |label: &str, value: &str| {
                writeln!(out, "  {label:<9} {value}").expect("writing to a string cannot fail");
            };
            add("size", &format!("{} bytes", plugin.size()));
            add("sha256", plugin.sha256());
            add("contract", CONTRACT);
            for (label, names) in [("imports", plugin.imports()), ("exports", plugin.exports())] {
                for (index, name) in names.iter().enumerate() {
                    add(if index == 0 { label } else { "" }, name);
                }
            }
            for (label, types) in [("steps", &types), ("polls", &connectors)] {
                for (index, (name, summary)) in types.iter().enumerate() {
                    add(if index == 0 { label } else { "" }, &format!("{name}: {summary}"));
                }
            }
            out
        }
    };
    print(&shown)?;
    Ok(Exit::Success)
}
