//! How a step's result is laid out for people.
//!
//! The shape of a result decides, never what it is about, so that any plugin's reads well: a map of row lists becomes a
//! table for each name, a list of texts or a map of texts becomes a list of remarks, a single value a line. What has no
//! such shape stays JSON, and nothing is left out.

mod density;
#[cfg(test)]
pub(crate) mod samples;
mod words;

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::run::report::{StepReport, StepStatus};

pub(crate) use self::words::{about, counted, duration};

/// A step's result in parts, and what else there is to say.
#[derive(Debug)]
pub(crate) struct Layout<'r> {
    /// The parts. What says that something is missing comes before what is there.
    pub(crate) parts: Vec<Part<'r>>,
    /// Notes about nothing that the parts name: subject and text.
    pub(crate) notes: Vec<(&'r str, &'r str)>,
}

/// A part of a result.
#[derive(Debug)]
pub(crate) enum Part<'r> {
    /// The parts that follow belong to an item of a step that ran for several.
    Item(ItemHeading<'r>),
    /// A single value.
    Field {
        /// What it is called.
        title: String,
        /// The value.
        text: Cow<'r, str>,
    },
    /// Names with at most a short text each.
    Entries {
        /// What they are called together.
        title: String,
        /// The names.
        entries: Vec<FieldEntry<'r>>,
    },
    /// Tables with a name each.
    Tables {
        /// What they are called together.
        title: String,
        /// The tables.
        tables: Vec<Rows<'r>>,
    },
    /// Anything else.
    Json {
        /// What it is called, unless it is the whole result.
        title: Option<String>,
        /// The value.
        value: &'r Value,
    },
}

/// What became of an item of a step with `for_each`.
#[derive(Debug)]
pub(crate) struct ItemHeading<'r> {
    /// The item, as far as it is a text.
    pub(crate) name: Cow<'r, str>,
    /// How it ended.
    pub(crate) status: StepStatus,
    /// What else there is to say, in a few words each.
    pub(crate) about: Vec<String>,
    /// Why it failed.
    pub(crate) error: Option<ItemError<'r>>,
}

/// Why an item failed.
#[derive(Debug)]
pub(crate) struct ItemError<'r> {
    /// The stable word.
    pub(crate) kind: &'r str,
    /// What happened.
    pub(crate) message: &'r str,
    /// What to do next.
    pub(crate) hint: Option<&'r str>,
}

/// A name, and what there is to say about it.
#[derive(Debug)]
pub(crate) struct FieldEntry<'r> {
    /// The name.
    pub(crate) name: Cow<'r, str>,
    /// What the result and the notes say about it.
    pub(crate) texts: Vec<Cow<'r, str>>,
}

/// Rows with their columns in the order of first appearance.
#[derive(Debug)]
pub(crate) struct Rows<'r> {
    /// What they are the rows of.
    pub(crate) name: &'r str,
    /// What the notes say about that.
    pub(crate) notes: Vec<&'r str>,
    /// The columns.
    pub(crate) columns: Vec<Column<'r>>,
    list: Vec<&'r Map<String, Value>>,
}

/// A column.
#[derive(Debug)]
pub(crate) struct Column<'r> {
    /// Its name.
    pub(crate) name: &'r str,
    /// Whether all that stands in it are numbers.
    pub(crate) numeric: bool,
}

impl<'r> Layout<'r> {
    /// Lays out what a step returned.
    pub(crate) fn of(step: &'r StepReport) -> Self {
        let mut shaper = Shaper::new(
            step.notes
                .iter()
                .map(|note| (note.subject.as_str(), note.text.as_str())),
        );
        match &step.result {
            Some(Value::Array(items)) if step.items.is_some() => items.iter().for_each(|item| shaper.item(item)),
            Some(result) => shaper.result(result),
            None => {}
        }
        shaper.finish()
    }

    /// What the parts count, in a few words each: `3 results, 4 rows`. Parts of the same title count together.
    pub(crate) fn counts(&self) -> Vec<String> {
        let mut counts: Vec<(&str, usize, Option<usize>)> = Vec::new();
        for (title, names, rows) in self.parts.iter().filter_map(Part::count) {
            match counts.iter_mut().find(|(known, ..)| *known == title) {
                Some((_, all_names, all_rows)) => {
                    *all_names += names;
                    *all_rows = all_rows.map(|all| all + rows.unwrap_or(0)).or(rows);
                }
                None => counts.push((title, names, rows)),
            }
        }
        let in_words = |(title, names, rows): (&str, usize, Option<usize>)| {
            let names = counted(names, title);
            match rows {
                Some(rows) => format!("{names}, {}", counted(rows, "rows")),
                None => names,
            }
        };
        // What is there is told first here, where all of it is in view.
        counts.sort_by_key(|(.., rows)| rows.is_none());
        counts.into_iter().map(in_words).collect()
    }
}

impl Part<'_> {
    /// How many names it has under which title, and how many rows they have if it is about rows.
    fn count(&self) -> Option<(&str, usize, Option<usize>)> {
        match self {
            // A title that is no plural names one thing with several sides, not several things.
            Self::Entries { title, entries } => title.ends_with('s').then_some((title, entries.len(), None)),
            Self::Tables { title, tables } => Some((title, tables.len(), Some(tables.iter().map(Rows::len).sum()))),
            Self::Item(_) | Self::Field { .. } | Self::Json { .. } => None,
        }
    }

    /// Where it stands among the parts of a result.
    fn rank(&self) -> u8 {
        match self {
            Self::Item(_) | Self::Field { .. } => 0,
            Self::Entries { .. } => 1,
            Self::Tables { .. } => 2,
            Self::Json { .. } => 3,
        }
    }
}

impl<'r> Rows<'r> {
    fn new(name: &'r str, list: &'r [Value], notes: Vec<&'r str>) -> Self {
        let rows: Vec<&Map<String, Value>> = list.iter().filter_map(Value::as_object).collect();
        let mut known = HashSet::new();
        let names: Vec<&str> = rows
            .iter()
            .flat_map(|row| row.keys())
            .map(String::as_str)
            .filter(|name| known.insert(*name))
            .collect();
        let columns = names.into_iter().map(|name| Column {
            name,
            numeric: is_numeric(rows.iter().filter_map(|row| row.get(name))),
        });
        Self {
            name,
            notes,
            columns: columns.collect(),
            list: rows,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The cells of each row, one for each column. A row need not have all columns.
    pub(crate) fn cells(&self) -> impl Iterator<Item = impl Iterator<Item = Cow<'r, str>>> {
        self.list.iter().map(|row| {
            self.columns
                .iter()
                .map(|column| row.get(column.name).map(scalar).unwrap_or_default())
        })
    }
}

/// Sorts values into parts.
struct Shaper<'r> {
    /// The notes, and whether each was placed.
    notes: Vec<(&'r str, &'r str, bool)>,
    parts: Vec<Part<'r>>,
}

impl<'r> Shaper<'r> {
    fn new(notes: impl Iterator<Item = (&'r str, &'r str)>) -> Self {
        Self {
            notes: notes.map(|(subject, text)| (subject, text, false)).collect(),
            parts: Vec::new(),
        }
    }

    fn finish(self) -> Layout<'r> {
        let left = self.notes.into_iter().filter(|(.., placed)| !placed);
        Layout {
            parts: self.parts,
            notes: left.map(|(subject, text, _)| (subject, text)).collect(),
        }
    }

    /// An item's report, as `for_each` leaves it in the result.
    fn item(&mut self, report: &'r Value) {
        let text = |value: &'r Value, key: &str| value.get(key).and_then(Value::as_str);
        let status = StepStatus::from_word(text(report, "status").unwrap_or_default());
        let number = |key: &str| report.get(key).and_then(Value::as_u64).unwrap_or_default();
        let mut about = match status {
            StepStatus::Skipped => vec!["not started".to_owned()],
            _ => vec![duration(number("duration_ms"))],
        };
        if number("attempts") > 1 {
            about.push(format!("{} attempts", number("attempts")));
        }
        let error = report.get("error").filter(|error| error.is_object());
        self.parts.push(Part::Item(ItemHeading {
            name: report.get("item").map(scalar).unwrap_or_default(),
            status,
            about,
            error: error.map(|error| ItemError {
                kind: text(error, "kind").unwrap_or_default(),
                message: text(error, "message").unwrap_or_default(),
                hint: text(error, "hint"),
            }),
        }));
        let notes = report.get("notes").map(list).unwrap_or_default().iter();
        let notes = notes.filter_map(|note| Some((text(note, "subject")?, text(note, "text")?)));
        let mut own = Shaper::new(notes);
        own.result(report.get("result").unwrap_or(&Value::Null));
        let own = own.finish();
        self.parts.extend(own.parts);
        self.notes
            .extend(own.notes.into_iter().map(|(subject, text)| (subject, text, false)));
    }

    fn result(&mut self, result: &'r Value) {
        match result {
            Value::Object(entries) => {
                let begin = self.parts.len();
                for (key, value) in entries {
                    self.part(key, value);
                }
                self.parts[begin..].sort_by_key(Part::rank);
            }
            Value::Null => {}
            value if is_rows(value) => {
                let tables = vec![Rows::new("", list(value), Vec::new())];
                let title = "tables".to_owned();
                self.parts.push(Part::Tables { title, tables });
            }
            value => self.parts.push(Part::Json { title: None, value }),
        }
    }

    fn part(&mut self, key: &'r str, value: &'r Value) {
        let title = key.replace('_', " ");
        let part = match value {
            Value::Null => return,
            // The step's status says it.
            Value::Bool(_) if key == "partial" => return,
            Value::Array(list) if list.is_empty() => return,
            Value::Object(map) if map.is_empty() => return,
            Value::Bool(_) | Value::Number(_) | Value::String(_) => Part::Field {
                title,
                text: scalar(value),
            },
            Value::Array(list) if list.iter().all(is_scalar) => Part::Entries {
                title,
                entries: list.iter().map(|item| self.entry(scalar(item), None)).collect(),
            },
            Value::Object(map) if map.values().all(is_scalar) => Part::Entries {
                title,
                entries: map
                    .iter()
                    .map(|(name, text)| self.entry(name.into(), Some(scalar(text))))
                    .collect(),
            },
            Value::Object(map) if map.values().all(is_rows) => Part::Tables {
                title,
                tables: map
                    .iter()
                    .map(|(name, rows)| Rows::new(name, list(rows), self.notes_about(name)))
                    .collect(),
            },
            Value::Array(rows) if is_rows(value) => Part::Tables {
                title: "tables".to_owned(),
                tables: vec![Rows::new(key, rows, self.notes_about(key))],
            },
            value => Part::Json {
                title: Some(title),
                value,
            },
        };
        self.parts.push(part);
    }

    fn entry(&mut self, name: Cow<'r, str>, text: Option<Cow<'r, str>>) -> FieldEntry<'r> {
        let notes = self.notes_about(&name).into_iter().map(Cow::Borrowed);
        let texts = text.into_iter().filter(|text| !text.is_empty()).chain(notes).collect();
        FieldEntry { name, texts }
    }

    fn notes_about(&mut self, subject: &str) -> Vec<&'r str> {
        let about = self.notes.iter_mut().filter(|(of, ..)| *of == subject);
        about
            .map(|(_, text, placed)| {
                *placed = true;
                *text
            })
            .collect()
    }
}

/// The value's rows.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn is_scalar(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

/// Returns true if this is a list of flat objects that is dense enough for a table.
fn is_rows(value: &Value) -> bool {
    let is_row = |row: &Value| row.as_object().is_some_and(|row| row.values().all(is_scalar));
    value
        .as_array()
        .is_some_and(|rows| rows.iter().all(is_row) && density::is_dense(rows))
}

fn is_numeric<'v>(mut values: impl Iterator<Item = &'v Value>) -> bool {
    let mut any = false;
    values.all(|value| match value {
        Value::Number(_) => {
            any = true;
            true
        }
        Value::Null => true,
        Value::String(text) if text.is_empty() => true,
        Value::String(text) => {
            any = true;
            let digits = text.strip_prefix('-').unwrap_or(text);
            digits.starts_with(|c: char| c.is_ascii_digit())
                && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
                && digits.bytes().filter(|byte| *byte == b'.').count() <= 1
        }
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }) && any
}

/// A single value as text.
fn scalar(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => "".into(),
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}
