//! `playbook validate`.

use playbook_host::{Diagnostics, Playbook, Runner};
use serde_json::{Value, json};

use super::args::{Output, ValidateArgs};
use super::run::show_problems;
use super::{CommandError, Exit, inputs, print};

/// The largest playbook, in bytes.
const LARGEST_TEXT: u64 = 1 << 20;

pub(crate) async fn validate(args: ValidateArgs) -> Result<Exit, CommandError> {
    let runner = inputs::runner(&args.plugins).await?;
    let mut records: Vec<Value> = Vec::new();
    let mut exit = Exit::Success;
    for file in &args.files {
        let name = file.display().to_string();
        let text = inputs::read_text(file, LARGEST_TEXT)?;
        let problems = problems(&runner, &name, &text, args.skip_unknown_steps);
        if !problems.is_empty() {
            exit = Exit::InvalidInput;
        }
        match args.output {
            Output::Json => records.extend(problems.iter().map(|problem| json!(problem.record()))),
            Output::Table if problems.is_empty() => print(&format!("{name}: valid\n"))?,
            Output::Table => {
                show_problems(&problems);
            }
        }
    }
    if args.output == Output::Json {
        print(&format!("{:#}\n", Value::Array(records)))?;
    }
    Ok(exit)
}

fn problems(runner: &Runner, name: &str, text: &str, skip_unknown_steps: bool) -> Diagnostics {
    match Playbook::parse(name, text) {
        Ok(playbook) if skip_unknown_steps => runner.check_known(&playbook),
        Ok(playbook) => runner.check(&playbook),
        Err(problems) => problems,
    }
}
