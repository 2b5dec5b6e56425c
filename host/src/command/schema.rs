//! `playbook schema`.

use playbook_host::Schema;

use super::args::SchemaArgs;
use super::inputs;
use super::{CommandError, Exit, print};

/// The schemas that the host owns, by name.
const OWN: [(&str, &str); 4] = [
    ("playbook", include_str!("../../../schemas/playbook.schema.json")),
    ("run", include_str!("../../../schemas/run.schema.json")),
    ("plan", include_str!("../../../schemas/plan.schema.json")),
    ("connector", playbook_host::CONNECTOR_SCHEMA),
];

pub(crate) async fn schema(args: SchemaArgs) -> Result<Exit, CommandError> {
    let runner = inputs::runner(&args.plugins).await?;
    let mut known: Vec<(String, String)> = OWN
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    for step_type in runner.step_types() {
        known.push((step_type.name.clone(), format!("{:#}\n", step_type.params.document())));
        known.push((
            format!("{}.result", step_type.name),
            format!("{:#}\n", step_type.result.document()),
        ));
    }
    for connector in runner.connector_types() {
        let mut add = |what: &str, schema: &Schema| {
            known.push((
                format!("{}.{what}", connector.name),
                format!("{:#}\n", schema.document()),
            ));
        };
        add("config", &connector.config);
        add("connector_config", &connector.options);
        for format in &connector.formats {
            add(&format!("event.{}", format.name), &format.schema);
        }
    }
    let Some(name) = args.name else {
        print(&known.iter().fold(String::new(), |out, (name, _)| out + name + "\n"))?;
        return Ok(Exit::Success);
    };
    let Some((_, text)) = known.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
        return Err(CommandError::new(format!("there is no schema `{name}`"))
            .hint(format!("the schemas are {}", names.join(", "))));
    };
    print(text)?;
    Ok(Exit::Success)
}
