//! A run as text for people, on a terminal of some width.

mod grid;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::run::report::{RunReport, RunStatus, StepReport, StepStatus};
use crate::text::visible::{visible, visible_lines};
use crate::views::layout::{FieldEntry, Layout, Part, Rows, about, counted, duration};

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().bold();
const DIM: Style = AnsiColor::BrightBlack.on_default();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// How many names of what is missing the last lines repeat.
const NAMED: usize = 5;

/// The run as text with ANSI styles, for a writer that removes them where they do not belong. Table cells are cut to
/// `width` columns, and the text says so; without a width nothing is cut.
///
/// Escape sequences and other characters that could deceive are made [visible](fn@visible), wherever they come from.
pub fn text_report(report: &RunReport, width: Option<usize>) -> String {
    let mut text = ReportText {
        out: String::new(),
        width,
        inset: 0,
        cut: false,
    };
    for step in &report.steps {
        text.step(step);
        text.line("");
    }
    if text.cut {
        text.line(&format!(
            "{DIM}Values that end in … are cut to fit; --wide or --output json shows all of them.{DIM:#}\n"
        ));
    }
    text.end(report);
    text.out
}

struct ReportText {
    out: String,
    width: Option<usize>,
    /// How far lines stand in: what belongs to an item stands below it.
    inset: usize,
    cut: bool,
}

impl ReportText {
    fn step(&mut self, step: &StepReport) {
        let layout = Layout::of(step);
        let (style, mark) = (style(step.status), step.status.shown().0);
        let name = step.name.as_deref().map(|name| format!("  {}", visible(name)));
        let about = about(step)
            .iter()
            .map(|text| visible(text).into_owned())
            .collect::<Vec<_>>();
        self.line(&format!(
            "{style}{mark}{style:#} {BOLD}{}{BOLD:#}{}  {DIM}{}{DIM:#}",
            visible(&step.id),
            name.unwrap_or_default(),
            about.join(", "),
        ));
        let counts = layout.counts();
        if !counts.is_empty() {
            let counts = counts.iter().map(|count| visible(count)).collect::<Vec<_>>();
            self.line(&format!("  {DIM}{}{DIM:#}", counts.join(" · ")));
        }
        if let Some(error) = &step.error {
            self.error(&error.kind, &error.message, error.hint.as_deref());
        }
        for part in &layout.parts {
            self.part(part, step.status);
        }
        self.inset = 0;
        for (subject, text) in &layout.notes {
            self.indented(
                &format!("{BOLD}note{BOLD:#}: "),
                &format!("{}: {}", visible(subject), visible(text)),
            );
        }
    }

    fn error(&mut self, kind: &str, message: &str, hint: Option<&str>) {
        self.indented(&format!("{BAD}{}{BAD:#}: ", visible(kind)), &visible_lines(message));
        if let Some(hint) = hint {
            self.indented(&format!("{BOLD}help{BOLD:#}: "), &visible_lines(hint));
        }
    }

    fn part(&mut self, part: &Part<'_>, status: StepStatus) {
        match part {
            Part::Item(item) => {
                self.inset = 0;
                let (style, mark) = (self::style(item.status), item.status.shown().0);
                self.line(&format!(
                    "  {style}{mark}{style:#} {BOLD}{}{BOLD:#}  {DIM}{}{DIM:#}",
                    visible(&item.name),
                    item.about.join(", ")
                ));
                self.inset = 2;
                if let Some(error) = &item.error {
                    self.error(error.kind, error.message, error.hint);
                }
            }
            Part::Field { title, text } => self.indented(&format!("{}: ", visible(title)), &visible(text)),
            Part::Entries { title, entries } => {
                let style = if status == StepStatus::Success {
                    BOLD
                } else {
                    style(status)
                };
                self.line(&format!("  {style}{} ({}){style:#}", visible(title), entries.len()));
                for FieldEntry { name, texts } in entries {
                    let colon = if texts.is_empty() { "" } else { ": " };
                    let texts = texts.iter().map(|text| visible(text)).collect::<Vec<_>>().join("; ");
                    self.line(&format!("    {}{colon}{texts}", visible(name)));
                }
            }
            Part::Tables { tables, .. } => {
                for rows in tables {
                    self.rows(rows);
                }
            }
            Part::Json { title, value } => {
                if let Some(title) = title {
                    self.line(&format!("  {BOLD}{}{BOLD:#}", visible(title)));
                }
                self.indented("  ", &visible_lines(&format!("{value:#}")));
            }
        }
    }

    fn rows(&mut self, rows: &Rows<'_>) {
        let count = counted(rows.len(), "rows");
        let said = std::iter::once(count.into()).chain(rows.notes.iter().map(|note| visible(note)));
        let said = said.collect::<Vec<Cow<'_, str>>>().join("; ");
        let name = visible(rows.name);
        let gap = if name.is_empty() { "" } else { "  " };
        self.line(&format!("  {BOLD}{name}{BOLD:#}{gap}{DIM}{said}{DIM:#}"));
        let grid = grid::lay_out(rows, self.width.map(|width| width.saturating_sub(4 + self.inset)));
        self.cut |= grid.cut;
        for (index, line) in grid.text.iter().enumerate() {
            let style = if index == 0 && grid.header { DIM } else { PLAIN };
            self.line(&format!("    {style}{line}{style:#}"));
        }
    }

    /// How the run ended, and what is missing where: the lines that stay in view.
    fn end(&mut self, report: &RunReport) {
        let (style, word) = match report.status {
            RunStatus::Success => (GOOD, "success"),
            RunStatus::Partial => (WARN, "partial"),
            RunStatus::Interrupted => (WARN, "interrupted"),
            RunStatus::Failed => (BAD, "failed"),
        };
        let name = report.playbook.name.as_ref().or(report.playbook.id.as_ref());
        let name = name.map(|name| format!("{}: ", visible(name))).unwrap_or_default();
        self.line(&format!(
            "{name}{style}{word}{style:#} in {}  {DIM}run {}{DIM:#}",
            duration(report.duration_ms),
            visible(&report.run_id)
        ));
        for step in &report.steps {
            if matches!(step.status, StepStatus::Partial | StepStatus::Failed) {
                self.missing(step);
            }
        }
    }

    fn missing(&mut self, step: &StepReport) {
        let (style, (mark, word)) = (self::style(step.status), step.status.shown());
        let layout = Layout::of(step);
        let entries = layout.parts.iter().filter_map(|part| match part {
            Part::Entries { title, entries } => {
                let names = entries.iter().take(NAMED).map(|entry| visible(&entry.name));
                let mut names = names.collect::<Vec<_>>().join(", ");
                if entries.len() > NAMED {
                    let _ = write!(names, " and {} more", entries.len() - NAMED);
                }
                Some(format!("{}: {names}", visible(title)))
            }
            _ => None,
        });
        let error = step.error.as_ref().map(|error| visible(&error.kind).into_owned());
        let what: Vec<String> = error.into_iter().chain(entries).collect();
        let what = if what.is_empty() {
            word.to_owned()
        } else {
            what.join("; ")
        };
        self.line(&format!("  {style}{mark}{style:#} {}  {what}", visible(&step.id)));
    }

    /// The text behind its label, and its further lines below.
    fn indented(&mut self, label: &str, text: &str) {
        let mut lines = text.lines();
        self.line(&format!("  {label}{}", lines.next().unwrap_or_default()));
        for line in lines {
            self.line(&format!("    {line}"));
        }
    }

    fn line(&mut self, text: &str) {
        let inset = if text.is_empty() { 0 } else { self.inset };
        writeln!(self.out, "{:inset$}{text}", "").expect("writing to a string cannot fail");
    }
}

fn style(status: StepStatus) -> Style {
    match status {
        StepStatus::Success => GOOD,
        StepStatus::Partial => WARN,
        StepStatus::Skipped => DIM,
        StepStatus::Failed => BAD,
    }
}
