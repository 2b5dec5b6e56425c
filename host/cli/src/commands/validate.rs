//! `playbook validate`.

use std::path::Path;

use playbook_host::poll::ConnectorInputs;
use playbook_host::{Definition, Diagnostics, RunInputs, Runner, Secrets};
use serde_json::{Map, Value, json};

use crate::args::{ProblemOutput, ValidateArgs};
use crate::error::{CommandError, Exit};
use crate::inputs;
use crate::output::{print, print_json, show_problems, text};

/// What templates are filled in with.
struct Inputs {
    alert: Value,
    secrets: Secrets,
    vars: Map<String, Value>,
}

pub(crate) async fn validate(args: ValidateArgs) -> Result<Exit, CommandError> {
    let runner = inputs::runner_under(&args.policy, &args.plugins, &args.files).await?;
    let mut all = Diagnostics::default();
    let mut show = |name: &str, problems: Diagnostics| -> Result<(), CommandError> {
        match args.output {
            ProblemOutput::Table if problems.is_empty() => print(text!("{}: valid\n", name))?,
            ProblemOutput::Table => {
                show_problems(&problems);
            }
            ProblemOutput::Json | ProblemOutput::Sarif => {}
        }
        all.extend(problems);
        Ok(())
    };
    let mut problems = Diagnostics::default();
    let inputs = read_inputs(&args, &mut problems)?;
    if !problems.is_empty() {
        show("", problems)?;
    }
    for file in &args.files {
        let problems = problems_of(&runner, file, inputs.as_ref(), args.skip_unknown_steps)
            .err()
            .unwrap_or_default();
        show(&file.display().to_string(), problems)?;
    }
    match args.output {
        ProblemOutput::Table => {}
        ProblemOutput::Json => {
            let records: Value = all.iter().map(|problem| json!(problem.record())).collect();
            print_json(&records)?;
        }
        ProblemOutput::Sarif => print_json(&all.sarif())?,
    }
    Ok(if all.is_empty() {
        Exit::Success
    } else {
        Exit::InvalidInput
    })
}

/// What to fill in, if anything was given and all of it is sound.
fn read_inputs(args: &ValidateArgs, problems: &mut Diagnostics) -> Result<Option<Inputs>, CommandError> {
    let vars = inputs::assignments("--var", &args.vars)?;
    if args.alert.is_none() && args.secrets.is_none() && vars.is_empty() {
        return Ok(None);
    }
    let alert = inputs::keep(inputs::alert(args.alert.as_deref()), problems);
    let secrets = inputs::keep(inputs::secrets(args.secrets.as_deref()), problems);
    let (Some(alert), Some(secrets)) = (alert, secrets) else {
        return Ok(None);
    };
    Ok(Some(Inputs { alert, secrets, vars }))
}

fn problems_of(
    runner: &Runner,
    file: &Path,
    inputs: Option<&Inputs>,
    skip_unknown_steps: bool,
) -> Result<(), Diagnostics> {
    let definition = runner.read(inputs::source(file)?, skip_unknown_steps)?;
    if let Definition::Tests(tests) = &definition {
        let playbook = runner.read_playbook(inputs::source(&tests.playbook()?)?, skip_unknown_steps)?;
        let problems = runner.check_tests(tests, &playbook);
        return if problems.is_empty() { Ok(()) } else { Err(problems) };
    }
    let Some(inputs) = inputs else { return Ok(()) };
    let directory = file.parent().unwrap_or(Path::new(".")).to_owned();
    match definition {
        Definition::Playbook(playbook) => {
            let mut run = RunInputs::new(inputs.secrets.clone());
            run.alert = inputs.alert.clone();
            run.vars.clone_from(&inputs.vars);
            run.directory = directory;
            run.skip_unknown_steps = skip_unknown_steps;
            runner.prepare(playbook, run).map(drop)
        }
        Definition::Connector(connector) => {
            let mut connector_inputs = ConnectorInputs::new(inputs.secrets.clone());
            connector_inputs.vars.clone_from(&inputs.vars);
            connector_inputs.directory = directory;
            runner.prepare_connector(&connector, connector_inputs).map(drop)
        }
        _ => Ok(()),
    }
}
