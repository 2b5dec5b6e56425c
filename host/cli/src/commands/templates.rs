//! `playbook templates`.

use playbook_host::Runner;
use playbook_host::sandbox::{PluginError, StepType, Template};
use serde_json::{Map, Value, json};

use crate::args::{Output, TemplatesArgs};
use crate::error::{CommandError, Exit};
use crate::inputs;
use crate::output::{Padded, Text, print, print_json, text};

pub(crate) async fn templates(args: TemplatesArgs) -> Result<Exit, CommandError> {
    let runner = inputs::runner(&args.plugins, &[]).await?;
    let all: Vec<(&StepType, &Template)> = runner
        .step_types()
        .flat_map(|step_type| step_type.templates.iter().map(move |template| (step_type, template)))
        .collect();
    let Some(name) = &args.name else {
        list(&all, args.output)?;
        return Ok(Exit::Success);
    };
    let Some((step_type, template)) = all.iter().find(|(_, template)| template.name == *name) else {
        let names: Vec<&str> = all.iter().map(|(_, template)| template.name.as_str()).collect();
        return Err(CommandError::new(format!("there is no template `{name}`"))
            .hint(format!("the templates are {}", names.join(", "))));
    };
    let needs_params = template.params.iter().any(|param| param.default.is_none());
    if args.params.is_empty() && needs_params {
        describe(step_type, template, None, args.output)?;
        return Ok(Exit::Success);
    }
    let text = fill_in(&runner, step_type, template, &args.params).await?;
    if args.params.is_empty() {
        describe(step_type, template, Some(&text), args.output)?;
    } else {
        match args.output {
            Output::Table => print(text!("{}\n", Text::lines(text.trim_end())))?,
            Output::Json => print_json(&json!({"template": name, "text": text}))?,
        }
    }
    Ok(Exit::Success)
}

async fn fill_in(
    runner: &Runner,
    step_type: &StepType,
    template: &Template,
    params: &[String],
) -> Result<String, CommandError> {
    let params: Map<String, Value> = inputs::assignments("--param", params)?;
    let rendered = runner
        .render_template(&step_type.name, &template.name, &Value::Object(params))
        .await;
    rendered.map_err(|error| match error {
        PluginError::Failed(failure) => CommandError::new(failure.message).maybe_hint(failure.hint),
        other => CommandError::new(other.to_string()),
    })
}

fn list(all: &[(&StepType, &Template)], output: Output) -> Result<(), CommandError> {
    if output == Output::Json {
        let all: Vec<Value> = all
            .iter()
            .map(|(step_type, template)| {
                let mut value = json!(template);
                value["step_type"] = json!(step_type.name);
                value
            })
            .collect();
        return print_json(&all);
    }
    let width = all
        .iter()
        .map(|(_, template)| template.name.len())
        .max()
        .unwrap_or_default();
    let lines = all.iter().map(|(_, template)| {
        let params: Vec<&str> = template.params.iter().map(|param| param.name.as_str()).collect();
        let (name, params) = (Padded(&template.name, width), params.join(", "));
        text!("{}  {} ({})\n", name, template.summary, params)
    });
    print(lines.collect::<Text>())
}

fn describe(
    step_type: &StepType,
    template: &Template,
    example: Option<&str>,
    output: Output,
) -> Result<(), CommandError> {
    if output == Output::Json {
        let mut value = json!(template);
        value["step_type"] = json!(step_type.name);
        value["example"] = json!(example);
        return print_json(&value);
    }
    let (name, summary) = (&template.name, &template.summary);
    let mut out = text!("{} ({})\n{}\n\nParameters:\n", name, step_type.name, summary);
    for param in &template.params {
        let default = param
            .default
            .as_ref()
            .map_or("required".to_owned(), |value| format!("default {value}"));
        out.push(&text!(
            "  {}: {}; {}\n      {}\n",
            param.name,
            param.accepts,
            default,
            param.summary
        ));
    }
    out.push(&text!(
        "Platforms: {}\nColumns: {}\n\n{}\n",
        template.platforms.join(", "),
        template.columns.join(", "),
        Text::lines(template.text.trim_end())
    ));
    if let Some(example) = example {
        out.push(&text!("\nWith the defaults:\n{}\n", Text::lines(example.trim_end())));
    }
    print(out)
}
