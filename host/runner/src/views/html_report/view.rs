//! What the page's template sees. Every text in it is visible; none is escaped yet.

use jiff::Timestamp;
use serde::Serialize;

use crate::run::report::{RunReport, RunStatus, StepReport, StepStatus};
use crate::text::visible::{visible, visible_lines};
use crate::views::layout::{self, Layout, Rows, about, counted, duration};

/// Tables with more rows are closed at first: a browser takes its time to lay them out.
const OPEN_ROWS: usize = 100;

/// Once the tables of a page have so many rows together, further ones are closed.
const OPEN_ROWS_IN_ALL: usize = 1_000;

/// JSON of more lines is closed.
const OPEN_LINES: usize = 60;

#[derive(Debug, Serialize)]
pub(super) struct Page {
    title: String,
    /// The playbook's id, if the title is its name.
    playbook_id: Option<String>,
    run_id: String,
    status: &'static str,
    mark: &'static str,
    /// For machines, and for people.
    started: (String, String),
    finished: (String, String),
    took: String,
    steps: Vec<StepView>,
    /// How many steps there are, by what became of them.
    outcomes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct StepView {
    /// From 1.
    number: usize,
    id: String,
    name: Option<String>,
    kind: String,
    status: &'static str,
    mark: &'static str,
    /// How long it took, if it was started.
    took: Option<String>,
    about: Vec<String>,
    /// What the timeline says of it.
    outline: Vec<String>,
    /// Where it stands in time.
    bar: Option<Bar>,
    error: Option<Failure>,
    parts: Vec<PartView>,
    notes: Vec<(String, String)>,
}

#[derive(Debug, Serialize)]
struct Bar {
    start: String,
    width: String,
}

#[derive(Debug, Serialize)]
struct Failure {
    kind: String,
    message: String,
    hint: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "shape", rename_all = "lowercase")]
enum PartView {
    Item {
        name: String,
        status: &'static str,
        mark: &'static str,
        about: Vec<String>,
        error: Option<Failure>,
    },
    Field {
        title: String,
        text: String,
    },
    Entries {
        title: String,
        count: String,
        entries: Vec<(String, String)>,
    },
    Tables {
        title: String,
        tables: Vec<Table>,
    },
    /// Tables without rows: their names, and what there is to say about them.
    Empty {
        title: String,
        count: String,
        entries: Vec<(String, String)>,
    },
    Json {
        title: Option<String>,
        text: String,
        open: bool,
    },
}

#[derive(Debug, Serialize)]
struct Table {
    name: String,
    count: String,
    open: bool,
    notes: Vec<String>,
    columns: Vec<ColumnView>,
    rows: Vec<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct ColumnView {
    name: String,
    numeric: bool,
}

impl Page {
    pub(super) fn of(report: &RunReport) -> Self {
        let (mark, status) = match report.status {
            RunStatus::Success => StepStatus::Success.shown(),
            RunStatus::Partial => StepStatus::Partial.shown(),
            RunStatus::Failed => StepStatus::Failed.shown(),
            RunStatus::Interrupted => ("■", "interrupted"),
        };
        let playbook = &report.playbook;
        let mut maker = Maker {
            began: report.started_at,
            run_ms: report.duration_ms,
            steps: 0,
            open_rows: 0,
        };
        let steps: Vec<StepView> = report.steps.iter().map(|step| maker.step(step)).collect();
        let outcomes = ["success", "partial", "failed", "skipped"].map(|status| {
            let count = steps.iter().filter(|step| step.status == status).count();
            (count > 0).then(|| format!("{count} {status}"))
        });
        Self {
            title: playbook
                .name
                .as_ref()
                .or(playbook.id.as_ref())
                .map_or_else(|| "Playbook run".to_owned(), |name| visible(name).into_owned()),
            playbook_id: playbook
                .name
                .as_ref()
                .and(playbook.id.as_ref())
                .map(|id| visible(id).into_owned()),
            run_id: visible(&report.run_id).into_owned(),
            status,
            mark,
            started: instant(report.started_at),
            finished: instant(report.finished_at),
            took: duration(report.duration_ms),
            steps,
            outcomes: outcomes.into_iter().flatten().collect(),
        }
    }
}

/// Makes the view, step by step.
#[derive(Debug)]
struct Maker {
    began: Timestamp,
    run_ms: u64,
    steps: usize,
    open_rows: usize,
}

impl Maker {
    fn step(&mut self, step: &StepReport) -> StepView {
        self.steps += 1;
        let (mark, status) = step.status.shown();
        let bar = step
            .started_at
            .map(|at| Bar::new(millis(self.began, at), step.duration_ms, self.run_ms));
        let layout = Layout::of(step);
        let facts: Vec<String> = about(step).iter().map(|text| visible(text).into_owned()).collect();
        let notes = layout.notes.iter();
        StepView {
            number: self.steps,
            id: visible(&step.id).into_owned(),
            name: step.name.as_deref().map(|name| visible(name).into_owned()),
            kind: visible(&step.step_type).into_owned(),
            status,
            mark,
            took: step.started_at.map(|_| duration(step.duration_ms)),
            about: facts.clone(),
            outline: match step.started_at {
                Some(_) => layout
                    .counts()
                    .iter()
                    .map(|count| visible(count).into_owned())
                    .collect(),
                None => facts,
            },
            bar,
            error: step
                .error
                .as_ref()
                .map(|error| Failure::new(&error.kind, &error.message, error.hint.as_deref())),
            notes: notes
                .map(|(subject, text)| (visible(subject).into_owned(), visible(text).into_owned()))
                .collect(),
            parts: layout.parts.into_iter().flat_map(|part| self.part(part)).collect(),
        }
    }

    fn part(&mut self, part: layout::Part<'_>) -> Vec<PartView> {
        match part {
            layout::Part::Item(item) => {
                let (mark, status) = item.status.shown();
                vec![PartView::Item {
                    name: visible(&item.name).into_owned(),
                    status,
                    mark,
                    about: item.about,
                    error: item
                        .error
                        .map(|error| Failure::new(error.kind, error.message, error.hint)),
                }]
            }
            layout::Part::Field { title, text } => vec![PartView::Field {
                title: visible(&title).into_owned(),
                text: visible(&text).into_owned(),
            }],
            layout::Part::Entries { title, entries } => {
                let entries: Vec<(String, String)> =
                    entries.iter().map(|entry| named(&entry.name, &entry.texts)).collect();
                vec![PartView::Entries {
                    title: visible(&title).into_owned(),
                    count: entries.len().to_string(),
                    entries,
                }]
            }
            layout::Part::Tables { title, tables } => {
                let title = visible(&title).into_owned();
                let (full, empty): (Vec<_>, Vec<_>) = tables.into_iter().partition(|rows| rows.len() > 0);
                let empty: Vec<(String, String)> = empty.iter().map(|rows| named(rows.name, &rows.notes)).collect();
                let tables: Vec<Table> = full.iter().map(|rows| self.table(rows)).collect();
                let full = (!tables.is_empty()).then(|| PartView::Tables {
                    title: title.clone(),
                    tables,
                });
                let empty = (!empty.is_empty()).then(|| PartView::Empty {
                    title,
                    count: empty.len().to_string(),
                    entries: empty,
                });
                full.into_iter().chain(empty).collect()
            }
            layout::Part::Json { title, value } => {
                let text = visible_lines(&format!("{value:#}"));
                vec![PartView::Json {
                    title: title.map(|title| visible(&title).into_owned()),
                    open: text.lines().count() <= OPEN_LINES,
                    text,
                }]
            }
        }
    }

    fn table(&mut self, rows: &Rows<'_>) -> Table {
        let open = rows.len() <= OPEN_ROWS && self.open_rows + rows.len() <= OPEN_ROWS_IN_ALL;
        if open {
            self.open_rows += rows.len();
        }
        Table {
            name: visible(rows.name).into_owned(),
            count: counted(rows.len(), "rows"),
            open,
            notes: rows.notes.iter().map(|note| visible(note).into_owned()).collect(),
            columns: rows
                .columns
                .iter()
                .map(|column| ColumnView {
                    name: visible(column.name).into_owned(),
                    numeric: column.numeric,
                })
                .collect(),
            rows: rows
                .cells()
                .map(|row| row.map(|cell| visible(&cell).into_owned()).collect())
                .collect(),
        }
    }
}

impl Failure {
    fn new(kind: &str, message: &str, hint: Option<&str>) -> Self {
        Self {
            kind: visible(kind).into_owned(),
            message: visible_lines(message),
            hint: hint.map(visible_lines),
        }
    }
}

impl Bar {
    fn new(start_ms: u64, ms: u64, run_ms: u64) -> Self {
        // In hundredths of a percent.
        let share = |ms: u64| ms.min(run_ms).saturating_mul(10_000) / run_ms.max(1);
        let start = share(start_ms).min(9_950);
        // Even the shortest step can be seen.
        let width = share(ms).clamp(50, 10_000 - start);
        let percent = |share: u64| format!("{}.{:02}%", share / 100, share % 100);
        Self {
            start: percent(start),
            width: percent(width),
        }
    }
}

/// How much later that is.
fn millis(began: Timestamp, at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond().saturating_sub(began.as_millisecond())).unwrap_or(0)
}

fn named(name: &str, texts: &[impl AsRef<str>]) -> (String, String) {
    let texts: Vec<_> = texts.iter().map(|text| visible(text.as_ref())).collect();
    (visible(name).into_owned(), texts.join("; "))
}

fn instant(at: Timestamp) -> (String, String) {
    let second = at.round(jiff::Unit::Second).unwrap_or(at);
    (second.to_string(), second.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}
