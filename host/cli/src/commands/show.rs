//! `playbook show`.

use playbook_host::CancellationToken;
use playbook_host::views::html_report;

use crate::args::{RunOutput, ShowArgs};
use crate::commands::run::print_run;
use crate::error::{CommandError, Exit};
use crate::inputs;
use crate::report_file::ReportFile;
use crate::run_lines::RunLines;

pub(crate) fn show(args: &ShowArgs) -> Result<Exit, CommandError> {
    let record = inputs::record(&args.file)?;
    let page = args.view.report.as_deref().map(ReportFile::create).transpose()?;
    match args.view.output {
        RunOutput::Ndjson => RunLines::new(CancellationToken::new()).shown(&record.report)?,
        RunOutput::Table | RunOutput::Json => print_run(&record.report, &args.view)?,
    }
    if let Some(page) = page {
        page.write(&html_report(&record.report))?;
    }
    Ok(Exit::Success)
}
