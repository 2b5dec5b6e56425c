//! Turns `templates/*.toml` into entries with a JSON text each, which the crate embeds in the order of the file names.
//! The texts hold no path: the component must come out the same wherever it is built.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "build scripts talk to cargo through the environment and standard output"
)]

use std::{env, fs, path::Path, process::ExitCode};

use serde::Deserialize;

#[path = "src/template/data.rs"]
#[allow(unreachable_pub)] // The file is shared with the library, where these items are public.
mod data;

use data::{Param, Template};

/// A template as its file spells it: the name is the file's, and the params are tables named after themselves.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    summary: String,
    sql: String,
    platforms: Vec<String>,
    columns: Vec<String>,
    #[serde(default)]
    params: toml::Table,
}

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=templates");
    println!("cargo::rerun-if-changed=src/template/data.rs");
    match embed(Path::new("templates")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("cargo::error=templates: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn embed(folder: &Path) -> Result<(), String> {
    let mut files = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    files.sort();
    let templates = files
        .iter()
        .map(|file| read(file).map_err(|problem| format!("{}: {problem}", file.display())))
        .collect::<Result<Vec<_>, _>>()?;
    let entries = templates
        .iter()
        .map(|template| {
            let json = serde_json::to_string(template).map_err(|error| error.to_string())?;
            Ok(format!("Entry::new({:?}, {json:?}),\n", template.name))
        })
        .collect::<Result<String, String>>()?;
    let out = env::var("OUT_DIR").map_err(|error| error.to_string())?;
    let count = templates.len();
    let entries =
        format!("/// The templates, in the order of their names.\nstatic ENTRIES: [Entry; {count}] = [\n{entries}];\n");
    fs::write(Path::new(&out).join("templates.rs"), entries).map_err(|error| error.to_string())
}

fn read(file: &Path) -> Result<Template, String> {
    let name = match (file.file_stem().and_then(|stem| stem.to_str()), file.extension()) {
        (Some(stem), Some(extension)) if extension == "toml" => stem.to_owned(),
        _ => return Err("only TOML files belong here".into()),
    };
    // A checkout may have turned the line ends; the statement must not depend on it.
    let text = fs::read_to_string(file)
        .map_err(|error| error.to_string())?
        .replace("\r\n", "\n");
    let parsed: File = toml::from_str(&text).map_err(|error| error.to_string())?;
    let template = Template {
        name,
        summary: parsed.summary,
        sql: parsed.sql.trim().to_owned(),
        platforms: parsed.platforms,
        columns: parsed.columns,
        params: parsed
            .params
            .into_iter()
            .map(|(name, value)| param(&name, value).map_err(|problem| format!("param {name}: {problem}")))
            .collect::<Result<_, _>>()?,
    };
    template.check()?;
    Ok(template)
}

fn param(name: &str, value: toml::Value) -> Result<Param, String> {
    let toml::Value::Table(mut table) = value else {
        return Err("not a table".into());
    };
    table.insert("name".into(), name.into());
    Param::deserialize(table).map_err(|error| error.to_string())
}
