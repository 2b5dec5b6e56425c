//! `playbook run`.

use std::path::PathBuf;
use std::sync::Arc;

use playbook_host::run::RunStatus;
use playbook_host::run::record::{Detail, RecordFile, RunRecord};
use playbook_host::views::{html_report, text_report};
use playbook_host::{Diagnostics, Playbook, RunInputs, RunReport, Runner};

use crate::args::{RunArgs, RunOutput, ViewArgs};
use crate::error::{CommandError, Exit};
use crate::inputs;
use crate::output::{self, Text, print, print_json, show_problems, text};
use crate::plan;
use crate::report_file::ReportFile;
use crate::run_lines::RunLines;
use crate::signals;
use crate::terminal::terminal_width;
use crate::watch::Watch;

pub(crate) async fn run(args: RunArgs, verbosity: u8) -> Result<Exit, CommandError> {
    let runner = inputs::connecting_runner(&args.policy, &args.plugins, &args.file).await?;
    let mut problems = Diagnostics::default();
    let playbook = inputs::source(&args.file).and_then(|source| runner.read_playbook(source, args.skip_unknown_steps));
    let playbook = inputs::keep(playbook, &mut problems);
    let secrets = inputs::keep(inputs::secrets(args.secrets.secrets.as_deref()), &mut problems);
    let alert = inputs::keep(inputs::alert(args.alert.as_deref()), &mut problems);
    let (Some(playbook), Some(secrets), Some(alert)) = (playbook, secrets, alert) else {
        return Err(problems.into());
    };
    let secrets = inputs::look_up(&args.secrets, secrets, playbook.secret_names()).await?;
    let mut run = RunInputs::new(secrets);
    run.alert = alert;
    run.vars = inputs::assignments("--var", &args.vars)?;
    run.only = args.only;
    run.skip_unknown_steps = args.skip_unknown_steps;
    if let Some(directory) = args.file.parent() {
        run.directory = directory.to_owned();
    }
    if args.dry_run || args.check {
        let ask = args.check.then(|| Watch::new(verbosity));
        return plan::dry_run(&runner, playbook, run, args.view.output, ask).await;
    }
    let keep = args.keep.record.map(|directory| Keep {
        directory,
        detail: if args.keep.record_traffic {
            Detail::Traffic
        } else {
            Detail::Results
        },
    });
    run_playbook(&runner, playbook, run, &args.view, keep, verbosity).await
}

/// Where the record of a run is kept, and how much of it.
#[derive(Debug)]
pub(crate) struct Keep {
    directory: PathBuf,
    detail: Detail,
}

/// Runs a playbook and prints what became of it.
pub(crate) async fn run_playbook(
    runner: &Runner,
    playbook: Playbook,
    mut run: RunInputs,
    view: &ViewArgs,
    keep: Option<Keep>,
    verbosity: u8,
) -> Result<Exit, CommandError> {
    run.parts = view.output == RunOutput::Ndjson;
    let (run_id, title) = (run.run_id.clone(), playbook.title());
    let prepared = match runner.prepare(playbook, run) {
        Ok(prepared) => prepared,
        Err(problems) => return Ok(show_problems(&problems)),
    };
    output::hide(prepared.redactor());
    output::warn(&prepared.warnings());
    // Whether the page and the record can be written is known before anything is sent.
    let page = view.report.as_deref().map(ReportFile::create).transpose()?;
    let detail = keep.as_ref().map(|keep| keep.detail);
    let file = keep
        .map(|keep| RecordFile::create(&keep.directory, &run_id))
        .transpose();
    let file = file.map_err(|error| inputs::record_error(&error))?;
    let grace = signals::grace();
    let cancel = grace.token();
    let watch = Watch::new(verbosity);
    let stream = (view.output == RunOutput::Ndjson).then(|| RunLines::new(cancel.clone()));
    if let Some(stream) = &stream {
        stream.started(&run_id, title, crate::terminal::now());
    }
    let telling = stream.clone();
    let observer = Arc::new(move |event| {
        if let Some(stream) = &telling {
            stream.happened(&event);
        }
        watch.show(event);
    });
    let running = async {
        match detail {
            Some(detail) => {
                let record = runner.record(prepared, cancel.clone(), observer, detail).await;
                (record.report.clone(), Some(record))
            }
            None => (runner.run(prepared, cancel.clone(), observer).await, None),
        }
    };
    // When it is asked to stop, the step stops what it started on the server.
    let (report, record) = running.await;
    // Kept first: a reader of the output that has gone must not cost the record. What cannot be written costs nothing else.
    let kept = match (file, &record) {
        (Some(file), Some(record)) => keep_record(file, record),
        _ => Ok(()),
    };
    let printed = match &stream {
        Some(stream) => stream.finished(&report),
        None => print_run(&report, view),
    };
    let written = page.map_or(Ok(()), |page| page.write(&html_report(&report)));
    let mut failed = [kept, printed, written].into_iter().filter_map(Result::err);
    if let Some(first) = failed.next() {
        for other in failed {
            output::report(&other);
        }
        return Err(first);
    }
    Ok(match report.status {
        RunStatus::Success => Exit::Success,
        RunStatus::Partial => Exit::Partial,
        RunStatus::Interrupted => Exit::Interrupted,
        _ => Exit::Failed,
    })
}

/// Puts a record in its place, and says where that is.
fn keep_record(file: RecordFile, record: &RunRecord) -> Result<(), CommandError> {
    let path = file.write(record).map_err(|error| CommandError {
        exit: Exit::Failed,
        ..inputs::record_error(&error)
    })?;
    output::say(text!("record  {}\n", path));
    Ok(())
}

/// Prints a run.
pub(crate) fn print_run(report: &RunReport, view: &ViewArgs) -> Result<(), CommandError> {
    match view.output {
        RunOutput::Table => {
            let width = if view.wide { None } else { terminal_width() };
            print(Text::rendered(&text_report(report, width)))
        }
        RunOutput::Json | RunOutput::Ndjson => print_json(report),
    }
}
