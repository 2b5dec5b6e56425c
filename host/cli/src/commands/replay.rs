//! `playbook replay`.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use playbook_host::Runner;
use playbook_host::run::RunEvent;
use playbook_host::run::record::RunRecord;
use playbook_host::run::replay::{ReplayedCall, Verdict};
use playbook_host::sandbox::{CallEvent, CallObserver};
use playbook_host::text::visible;
use serde_json::{Value, json};

use crate::args::{Output, ReplayArgs};
use crate::error::{CommandError, Exit};
use crate::inputs;
use crate::terminal::print;
use crate::watch::Watch;

/// The longest value that is shown in full, in characters.
const LONGEST: usize = 200;

pub(crate) async fn replay(args: ReplayArgs, verbosity: u8) -> Result<Exit, CommandError> {
    let record = inputs::record(&args.file)?;
    if let Some(only) = &args.only
        && !record.report.steps.iter().any(|step| step.id == *only)
    {
        return Err(CommandError::new(format!("the record has no step `{only}`")));
    }
    if !record.calls.is_empty() && record.calls.iter().all(|call| call.transcript.is_none()) {
        return Err(
            CommandError::new("the record does not have what the steps said to their servers and heard").hint(
                "`playbook run --record DIR --record-traffic` keeps that, too; `playbook show` shows this record",
            ),
        );
    }
    let runner = inputs::runner(&args.plugins, None).await?;
    let calls = again(&runner, &record, args.only.as_deref(), verbosity).await;
    let same = calls.iter().all(|(_, call)| call.is_same());
    print(&match args.output {
        Output::Json => {
            let calls: Vec<&ReplayedCall> = calls.iter().map(|(_, call)| call).collect();
            format!(
                "{:#}\n",
                json!({"run_id": record.report.run_id, "same": same, "calls": calls})
            )
        }
        Output::Table => text(&calls),
    })?;
    Ok(if same { Exit::Success } else { Exit::Failed })
}

/// The calls with what messages call them, run again one by one.
async fn again(runner: &Runner, record: &RunRecord, only: Option<&str>, verbosity: u8) -> Vec<(String, ReplayedCall)> {
    let watch = Watch::new(verbosity);
    let mut calls = Vec::new();
    for call in record
        .calls
        .iter()
        .filter(|call| only.is_none_or(|only| call.step == only))
    {
        let (id, watch) = (call.step.clone(), watch.clone());
        let (item, attempt) = (call.item.as_ref().map(|item| item.index), call.attempt);
        let events = CallObserver::new(move |event| {
            if matches!(event, CallEvent::Log { .. }) {
                watch.show(RunEvent::Step {
                    id: id.clone(),
                    item,
                    attempt,
                    event,
                });
            }
        });
        calls.push((call.title(), runner.replay(record, call, events).await));
    }
    calls
}

fn text(calls: &[(String, ReplayedCall)]) -> String {
    const GOOD: Style = AnsiColor::Green.on_default().bold();
    const BAD: Style = AnsiColor::Red.on_default().bold();
    let mut out = String::new();
    for (title, call) in calls {
        let (style, mark) = if call.is_same() { (GOOD, "✔") } else { (BAD, "✘") };
        let _ = writeln!(out, "{style}{mark}{style:#} {}  {}", visible(title), call.verdict);
        for told in call.unrecorded.iter().chain(&call.reason) {
            let _ = writeln!(out, "    {}", visible(told));
        }
        for difference in &call.differences {
            let _ = writeln!(out, "    {}", visible(&difference.at));
            let _ = writeln!(out, "      recorded  {}", value(difference.recorded.as_ref()));
            let _ = writeln!(out, "      replayed  {}", value(difference.replayed.as_ref()));
        }
    }
    let same = calls.iter().filter(|(_, call)| call.is_same()).count();
    let unfinished = calls
        .iter()
        .filter(|(_, call)| call.verdict == Verdict::Unfinished)
        .count();
    let _ = match (calls.len(), calls.len() - same) {
        (0, _) => writeln!(out, "The run made no call."),
        (all, 0) => writeln!(out, "{} as recorded", counted(all - unfinished)),
        (all, other) => writeln!(out, "{} in all, {other} not as recorded", counted(all)),
    };
    out
}

fn counted(calls: usize) -> String {
    if calls == 1 {
        "1 call".to_owned()
    } else {
        format!("{calls} calls")
    }
}

fn value(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "nothing".to_owned();
    };
    let shown = value.to_string();
    let short = match shown.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    };
    visible(&short).into_owned()
}
