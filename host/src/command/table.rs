//! Prints a run for people.
//!
//! A result is laid out by its shape alone, so that any plugin's reads well: a map of row lists becomes a table for each
//! name, a list of texts or a map of texts becomes a list, a single value a line.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, ContentArrangement, Table, presets};
use playbook_host::{Note, RunReport, RunStatus, SkipReason, StepReport, StepStatus};
use serde_json::{Map, Value};

const BOLD: Style = Style::new().bold();
const DIM: Style = AnsiColor::BrightBlack.on_default();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// The run as text, with ANSI styles; the writer removes them where they do not belong.
pub(crate) fn render(report: &RunReport, width: u16) -> String {
    let mut out = String::new();
    for step in &report.steps {
        render_step(&mut out, step, width);
        out.push('\n');
    }
    let (style, word) = match report.status {
        RunStatus::Success => (GOOD, "success"),
        RunStatus::Partial => (WARN, "partial"),
        RunStatus::Cancelled => (WARN, "cancelled"),
        _ => (BAD, "failed"),
    };
    let name = report.playbook.name.as_ref().or(report.playbook.id.as_ref());
    let name = name.map(|name| format!("{}: ", printable(name))).unwrap_or_default();
    line(
        &mut out,
        &format!(
            "{name}{style}{word}{style:#} in {}  {DIM}run {}{DIM:#}",
            seconds(report.duration_ms),
            report.run_id
        ),
    );
    out
}

fn render_step(out: &mut String, step: &StepReport, width: u16) {
    let (style, mark) = match step.status {
        StepStatus::Success => (GOOD, "✔"),
        StepStatus::Partial => (WARN, "◐"),
        StepStatus::Skipped => (DIM, "–"),
        _ => (BAD, "✘"),
    };
    let name = step
        .name
        .as_deref()
        .map(|name| format!("  {}", printable(name)))
        .unwrap_or_default();
    let mut about = match (step.status, step.reason, step.attempts) {
        (StepStatus::Skipped, reason, _) => reason.map_or_else(|| "not started".into(), not_started),
        // A step that only branches took no time, and its outcome follows.
        (StepStatus::Success, _, 0) if step.items.is_none() => String::new(),
        _ => seconds(step.duration_ms),
    };
    if let Some(items) = step.items {
        let _ = write!(about, ", {}", counted(items, "item"));
        if step.attempts as usize > items {
            let _ = write!(about, ", {} attempts", step.attempts);
        }
    } else if step.attempts > 1 {
        let _ = write!(about, ", {} attempts", step.attempts);
    }
    if let Some(branch) = &step.branch {
        if step.status != StepStatus::Skipped {
            let holds = if branch.holds {
                "condition holds"
            } else {
                "condition does not hold"
            };
            let comma = if about.is_empty() { "" } else { ", " };
            let _ = write!(about, "{comma}{holds}");
        }
        if let Some(next) = &branch.next {
            let _ = write!(about, " → {}", printable(next));
        }
    }
    line(
        out,
        &format!(
            "{style}{mark}{style:#} {BOLD}{}{BOLD:#}{name}  {DIM}{about}{DIM:#}",
            printable(&step.id)
        ),
    );
    if let Some(error) = &step.error {
        line(
            out,
            &format!("  {BAD}{}{BAD:#}: {}", error.kind, indented(&error.message)),
        );
        if let Some(hint) = &error.hint {
            line(out, &format!("  {BOLD}help{BOLD:#}: {}", indented(hint)));
        }
    }
    match &step.result {
        Some(Value::Array(items)) if step.items.is_some() => {
            for item in items {
                render_item(out, item, width);
            }
        }
        Some(result) => render_result(out, result, &step.notes, width),
        None => {}
    }
}

/// What became of an item of a step with `for_each`.
fn render_item(out: &mut String, report: &Value, width: u16) {
    let (style, mark) = match report["status"].as_str() {
        Some("success") => (GOOD, "✔"),
        Some("partial") => (WARN, "◐"),
        Some("skipped") => (DIM, "–"),
        _ => (BAD, "✘"),
    };
    let attempts = report["attempts"].as_u64().unwrap_or_default();
    let about = match attempts {
        0 => "not started".to_owned(),
        1 => String::new(),
        _ => format!("{attempts} attempts"),
    };
    let item = scalar(&report["item"]);
    let mut head = format!("  {style}{mark}{style:#} {BOLD}{item}{BOLD:#}");
    if !about.is_empty() {
        let _ = write!(head, "  {DIM}{about}{DIM:#}");
    }
    line(out, &head);
    let mut body = String::new();
    if let Some(message) = report["error"]["message"].as_str() {
        let kind = scalar(&report["error"]["kind"]);
        line(&mut body, &format!("  {BAD}{kind}{BAD:#}: {}", indented(message)));
    }
    let note = |note: &Value| {
        let text = |key: &str| note[key].as_str().map(str::to_owned);
        Some(Note {
            subject: text("subject")?,
            text: text("text")?,
        })
    };
    let notes: Vec<Note> = report["notes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(note)
        .collect();
    render_result(&mut body, &report["result"], &notes, width.saturating_sub(2));
    for text in body.lines() {
        line(out, &format!("  {text}"));
    }
}

fn render_result(out: &mut String, result: &Value, notes: &[Note], width: u16) {
    match result {
        Value::Object(result) => {
            for (key, value) in result {
                render_part(out, key, value, notes, width);
            }
        }
        Value::Null => {}
        other => line(out, &format!("  {}", printable(&other.to_string()))),
    }
}

fn not_started(reason: SkipReason) -> String {
    let reason = match reason {
        SkipReason::When => "`when` does not hold",
        SkipReason::Condition => "condition does not hold",
        SkipReason::Disabled => "disabled",
        SkipReason::NotReached => "the run went on elsewhere",
        SkipReason::Aborted => "the run was aborted",
        SkipReason::Cancelled => "the run was cancelled",
        SkipReason::UnknownStepType => "unknown step type",
        SkipReason::NotSelected => "another step was run alone",
        _ => return "not started".into(),
    };
    format!("not started: {reason}")
}

pub(super) fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

fn render_part(out: &mut String, key: &str, value: &Value, notes: &[Note], width: u16) {
    let title = printable(&key.replace('_', " "));
    match value {
        Value::Object(parts) if !parts.is_empty() && parts.values().all(is_rows) => {
            for (name, rows) in parts {
                render_rows(out, name, rows.as_array().map_or(&[][..], Vec::as_slice), width);
            }
        }
        Value::Object(texts) if !texts.is_empty() => {
            line(out, &format!("  {BAD}{title} ({}){BAD:#}", texts.len()));
            for (name, text) in texts {
                line(out, &format!("    {}: {}", printable(name), scalar(text)));
            }
        }
        Value::Array(items) if !items.is_empty() => {
            line(out, &format!("  {WARN}{title} ({}){WARN:#}", items.len()));
            for item in items {
                let item = scalar(item);
                let note = notes.iter().find(|note| printable(&note.subject) == item);
                let note = note
                    .map(|note| format!("  {DIM}{}{DIM:#}", printable(&note.text)))
                    .unwrap_or_default();
                line(out, &format!("    {item}{note}"));
            }
        }
        // The step's mark says it already, or there is nothing to say.
        Value::Bool(_) | Value::Null | Value::Object(_) | Value::Array(_) => {}
        Value::String(_) | Value::Number(_) => line(out, &format!("  {title}: {}", scalar(value))),
    }
}

fn render_rows(out: &mut String, name: &str, rows: &[Value], width: u16) {
    let count = counted(rows.len(), "row");
    line(
        out,
        &format!("  {BOLD}{}{BOLD:#}  {DIM}{count}{DIM:#}", printable(name)),
    );
    let rows: Vec<&Map<String, Value>> = rows.iter().filter_map(Value::as_object).collect();
    let mut columns: Vec<&str> = Vec::new();
    for row in &rows {
        for column in row.keys() {
            if !columns.contains(&column.as_str()) {
                columns.push(column);
            }
        }
    }
    if columns.is_empty() {
        return;
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width.saturating_sub(4).max(40));
    table.set_header(columns.iter().map(|column| Cell::new(printable(column).to_uppercase())));
    for row in rows {
        table.add_row(
            columns
                .iter()
                .map(|column| row.get(*column).map(scalar).unwrap_or_default()),
        );
    }
    for row in table.lines() {
        line(out, &format!("   {}", row.trim_end()));
    }
}

fn is_rows(value: &Value) -> bool {
    value.as_array().is_some_and(|rows| rows.iter().all(Value::is_object))
}

pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        other => printable(&other.to_string()),
    }
}

/// Rows come from monitored machines: an escape sequence in one must not reach the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

pub(super) fn indented(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n  ")
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("writing to a string cannot fail");
}
