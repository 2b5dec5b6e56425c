//! `playbook replay`.

use anstyle::{AnsiColor, Style};
use playbook_host::Runner;
use playbook_host::run::RunEvent;
use playbook_host::run::record::RunRecord;
use playbook_host::run::replay::{ReplayedCall, Verdict};
use playbook_host::sandbox::{CallEvent, CallObserver};
use serde_json::{Value, json};

use crate::args::{Output, ReplayArgs};
use crate::error::{CommandError, Exit};
use crate::inputs;
use crate::output::{Text, print, print_json, text};
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
    let runner = inputs::runner(&args.plugins, &[]).await?;
    let calls = again(&runner, &record, args.only.as_deref(), verbosity).await;
    let same = calls.iter().all(|(_, call)| call.is_same());
    match args.output {
        Output::Json => {
            let calls: Vec<&ReplayedCall> = calls.iter().map(|(_, call)| call).collect();
            print_json(&json!({"run_id": record.report.run_id, "same": same, "calls": calls}))?;
        }
        Output::Table => print(text(&calls))?,
    }
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

fn text(calls: &[(String, ReplayedCall)]) -> Text {
    const GOOD: Style = AnsiColor::Green.on_default().bold();
    const BAD: Style = AnsiColor::Red.on_default().bold();
    let mut out = Text::default();
    for (title, call) in calls {
        let (style, mark) = if call.is_same() { (GOOD, "✔") } else { (BAD, "✘") };
        let verdict = call.verdict.to_string();
        out.push(&text!("{}{}{:#} {}  {}\n", style, mark, style, title, verdict));
        for told in call.unrecorded.iter().chain(&call.reason) {
            out.push(&text!("    {}\n", told));
        }
        for difference in &call.differences {
            let (recorded, replayed) = (value(difference.recorded.as_ref()), value(difference.replayed.as_ref()));
            out.push(&text!("    {}\n", difference.at));
            out.push(&text!("      recorded  {}\n      replayed  {}\n", recorded, replayed));
        }
    }
    let same = calls.iter().filter(|(_, call)| call.is_same()).count();
    let unfinished = calls
        .iter()
        .filter(|(_, call)| call.verdict == Verdict::Unfinished)
        .count();
    out.push(&match (calls.len(), calls.len() - same) {
        (0, _) => text!("The run made no call.\n"),
        (all, 0) => text!("{} as recorded\n", counted(all - unfinished)),
        (all, other) => text!("{} in all, {} not as recorded\n", counted(all), other),
    });
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
    match shown.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}
