//! `playbook test`.

use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use playbook_host::testing::{CaseReport, TestFile, TestReport};
use playbook_host::{Diagnostics, Runner};
use serde_json::json;

use crate::args::{Output, TestArgs};
use crate::error::{CommandError, Exit};
use crate::inputs;
use crate::output::{Text, print, print_json, show_problems, text};

pub(crate) async fn test(args: TestArgs) -> Result<Exit, CommandError> {
    let runner = inputs::runner(&args.plugins, &args.files).await?;
    let mut reports = Vec::new();
    let mut problems = Diagnostics::default();
    for file in &args.files {
        let file = tests_of(file)?;
        match run(&runner, &file, args.skip_unknown_steps).await {
            Ok(report) => reports.push(report),
            Err(found) => problems.extend(found),
        }
    }
    let count = |passed: bool| {
        let cases = reports.iter().flat_map(|report| &report.cases);
        cases.filter(|case| case.passed == passed).count()
    };
    let (passed, failed) = (count(true), count(false));
    match args.output {
        Output::Json => {
            let problems: Vec<_> = problems.iter().map(|problem| json!(problem.record())).collect();
            let all = json!({"passed": passed, "failed": failed, "files": reports, "problems": problems});
            print_json(&all)?;
        }
        Output::Table => {
            let mut out: Text = reports.iter().map(text).collect();
            if !reports.is_empty() {
                out.push(&text!("{} passed, {} failed\n", passed, failed));
            }
            print(out)?;
            if !problems.is_empty() {
                show_problems(&problems);
            }
        }
    }
    if !problems.is_empty() {
        return Ok(Exit::InvalidInput);
    }
    Ok(if failed == 0 { Exit::Success } else { Exit::Failed })
}

async fn run(runner: &Runner, file: &Path, skip_unknown_steps: bool) -> Result<TestReport, Diagnostics> {
    let tests = runner.read_tests(inputs::source(file)?)?;
    let playbook = runner.read_playbook(inputs::source(&tests.playbook()?)?, skip_unknown_steps)?;
    runner.test(&tests, playbook, skip_unknown_steps).await
}

/// The file of tests that a file is, or that belongs to it.
fn tests_of(file: &Path) -> Result<PathBuf, CommandError> {
    if TestFile::is_named(file) {
        return Ok(file.to_owned());
    }
    let beside = TestFile::beside(file);
    if beside.is_file() {
        return Ok(beside);
    }
    Err(CommandError::new(format!(
        "there are no tests of `{}`: there is no `{}`",
        file.display(),
        beside.display()
    ))
    .hint("tests of `triage.yaml` are in `triage.test.yaml` beside it; `playbook init` writes some to begin with"))
}

fn text(report: &TestReport) -> Text {
    const GOOD: Style = AnsiColor::Green.on_default().bold();
    const BAD: Style = AnsiColor::Red.on_default().bold();
    const BOLD: Style = Style::new().bold();
    let mut out = text!("{}\n", report.file);
    for CaseReport {
        name, passed, failures, ..
    } in &report.cases
    {
        let (style, mark) = if *passed { (GOOD, "✔") } else { (BAD, "✘") };
        out.push(&text!("  {}{}{:#} {}\n", style, mark, style, name));
        for unmet in failures {
            let place = [unmet.line, unmet.column].into_iter().flatten();
            let place = place.fold(text!("{}", unmet.file), |place, number| text!("{}:{}", place, number));
            out.push(&text!("    {}{}{:#}  {}\n", BOLD, place, BOLD, unmet.subject));
            out.push(&text!("      expected  {}\n", indented(&unmet.expected)));
            out.push(&text!("      got       {}\n", indented(&unmet.got)));
            if let Some(hint) = &unmet.hint {
                out.push(&text!("      {}help{:#}: {}\n", BOLD, BOLD, hint));
            }
        }
    }
    out
}

/// Lines that stand in as far as the first.
fn indented(text: &str) -> Text {
    if text.is_empty() {
        return text!("nothing");
    }
    Text::lines(text).indented(16)
}
