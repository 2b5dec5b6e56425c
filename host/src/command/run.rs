//! `playbook run`.

use std::io::Write as _;
use std::path::Path;

use playbook_host::{
    CancellationToken, Diagnostics, Playbook, RunInputs, RunReport, RunStatus, Runner, Secrets, SecretsError,
};
use serde_json::Value;

use super::args::{Output, RunArgs};
use super::watch::Watch;
use super::{CommandError, Exit, inputs, plan, print, table};

/// The largest alert or playbook, in bytes.
const LARGEST_TEXT: u64 = 1 << 20;

pub(crate) async fn run(args: RunArgs, verbosity: u8) -> Result<Exit, CommandError> {
    let text = inputs::read_text(&args.file, LARGEST_TEXT)?;
    let playbook = match Playbook::parse(&args.file.display().to_string(), &text) {
        Ok(playbook) => playbook,
        Err(problems) => return Ok(show_problems(&problems)),
    };
    let mut run = RunInputs::new(secrets(args.secrets.as_deref())?);
    if let Some(path) = &args.alert {
        run.alert = alert(path)?;
    }
    run.vars = inputs::assignments("--var", &args.vars)?;
    run.only = args.only;
    run.skip_unknown_steps = args.skip_unknown_steps;
    if let Some(directory) = args.file.parent() {
        run.directory = directory.to_owned();
    }
    let runner = inputs::runner(&args.plugins).await?;
    if args.dry_run {
        return plan::dry_run(&runner, &playbook, run, args.output).await;
    }
    run_playbook(&runner, &playbook, run, args.output, verbosity).await
}

/// Runs a playbook and prints what became of it.
pub(crate) async fn run_playbook(
    runner: &Runner,
    playbook: &Playbook,
    inputs: RunInputs,
    output: Output,
    verbosity: u8,
) -> Result<Exit, CommandError> {
    let prepared = match runner.prepare(playbook, inputs) {
        Ok(prepared) => prepared,
        Err(problems) => return Ok(show_problems(&problems)),
    };
    let cancel = CancellationToken::new();
    let running = runner.run(prepared, cancel.clone(), Watch::new(verbosity).observer());
    tokio::pin!(running);
    let report = tokio::select! {
        report = &mut running => report,
        () = interrupted() => {
            cancel.cancel();
            // The step stops what it started on the server; a second interrupt does not wait for that.
            tokio::select! {
                report = running => report,
                () = interrupted() => return Ok(Exit::Interrupted),
            }
        }
    };
    print(&shown(&report, output))?;
    Ok(match report.status {
        RunStatus::Success => Exit::Success,
        RunStatus::Partial => Exit::Partial,
        RunStatus::Cancelled => Exit::Interrupted,
        _ => Exit::Failed,
    })
}

fn shown(report: &RunReport, output: Output) -> String {
    match output {
        Output::Json => {
            let json = serde_json::to_string_pretty(report).expect("a report has only texts as keys");
            json + "\n"
        }
        Output::Table => table::render(report, terminal_width()),
    }
}

fn terminal_width() -> u16 {
    comfy_table::Table::new().width().unwrap_or(120)
}

/// Ctrl-C, or the request of a supervisor to stop.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Shows what is wrong with an input. Nothing was sent.
pub(crate) fn show_problems(problems: &Diagnostics) -> Exit {
    // Nobody is left to tell when stderr is gone.
    let _ = writeln!(anstream::stderr(), "{}", problems.render(true));
    Exit::InvalidInput
}

pub(crate) fn secrets(file: Option<&Path>) -> Result<Secrets, CommandError> {
    let environment = Secrets::from_env();
    let Some(path) = file else { return Ok(environment) };
    let file = Secrets::from_file(path).map_err(|error| {
        let hint = match &error {
            SecretsError::Read { .. } => Some("--secrets names a YAML file such as `fleet_token: \"…\"`".to_owned()),
            _ => None,
        };
        CommandError::new(error.to_string()).maybe_hint(hint)
    })?;
    Ok(file.or(&environment))
}

fn alert(path: &Path) -> Result<Value, CommandError> {
    let text = inputs::read_text(path, LARGEST_TEXT)?;
    let name = path.display();
    let alert: Value = serde_json::from_str(&text)
        .map_err(|error| CommandError::new(format!("the alert `{name}` is not JSON: {error}")))?;
    if !alert.is_object() {
        return Err(CommandError::new(format!("the alert `{name}` is not a JSON object"))
            .hint("for example `{\"host\": \"web-01\"}`"));
    }
    Ok(alert)
}
