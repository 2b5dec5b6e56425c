//! `playbook check`: "Test connection".

use playbook_host::sandbox::PluginError;

use crate::args::{CheckArgs, Output};
use crate::commands::poll;
use crate::error::{CommandError, Exit};
use crate::inputs;
use crate::output::{self, Padded, Text, print, print_json, text};

pub(crate) async fn check(args: CheckArgs) -> Result<Exit, CommandError> {
    let runner =
        inputs::connecting_runner(&args.connector.policy, &args.connector.plugins, &args.connector.file).await?;
    let secrets = inputs::secrets(args.connector.secrets.secrets.as_deref())?;
    let (prepared, _) = poll::prepare(&runner, &args.connector, secrets, None, &[]).await?;
    output::hide(prepared.redactor());
    output::warn(&prepared.warnings());
    let found = match runner.test_connection(&prepared).await {
        Ok(found) => found,
        Err(error) => {
            let hint = match &error {
                PluginError::Failed(failure) => failure.hint.clone(),
                _ => None,
            };
            return Err(CommandError::failed(format!("{}: {error}", prepared.subject())).maybe_hint(hint));
        }
    };
    let fits = found.iter().all(|finding| finding.ok);
    match args.output {
        Output::Json => {
            let report = serde_json::json!({"connector": prepared.name(), "ok": fits, "findings": found});
            print_json(&report)?;
        }
        Output::Table => {
            let width = found
                .iter()
                .map(|finding| finding.subject.chars().count())
                .max()
                .unwrap_or(0);
            let head = text!("{}: {}\n", prepared.name(), prepared.subject());
            let lines = found.iter().map(|finding| {
                let mark = if finding.ok { '✔' } else { '✘' };
                text!("  {} {}  {}\n", mark, Padded(&finding.subject, width), finding.text)
            });
            print([head].into_iter().chain(lines).collect::<Text>())?;
        }
    }
    Ok(if fits { Exit::Success } else { Exit::Failed })
}
