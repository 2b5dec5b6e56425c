//! How a step's result is laid out for people.
//!
//! The shape of a result decides, never what it is about, so that any plugin's reads well: a map of row lists becomes a
//! table for each name, a list of texts or a map of texts becomes a list of remarks, a single value a line. What has no
//! such shape stays JSON, and nothing is left out.

#[cfg(test)]
pub(crate) mod samples;

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::plugin::Note;
use crate::report::{StepReport, StepStatus};

/// A step's result in parts, and what else there is to say.
#[derive(Debug)]
pub(crate) struct Layout<'r> {
    /// The parts. What says that something is missing comes before what is there.
    pub(crate) parts: Vec<Part<'r>>,
    /// Notes about nothing that the parts name.
    pub(crate) notes: Vec<&'r Note>,
}

/// A part of a result.
#[derive(Debug)]
pub(crate) enum Part<'r> {
    /// The parts that follow belong to one of several results.
    Item {
        /// Which, from 1.
        number: usize,
        /// How many there are.
        of: usize,
    },
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
        entries: Vec<Entry<'r>>,
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

/// A name, and what there is to say about it.
#[derive(Debug)]
pub(crate) struct Entry<'r> {
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
        let mut shaper = Shaper {
            notes: &step.notes,
            used: HashSet::new(),
            parts: Vec::new(),
        };
        if let Some(result) = &step.result {
            shaper.result(result);
        }
        let used = shaper.used;
        Self {
            parts: shaper.parts,
            notes: step
                .notes
                .iter()
                .filter(|note| !used.contains(note.subject.as_str()))
                .collect(),
        }
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
            Self::Item { .. } | Self::Field { .. } | Self::Json { .. } => None,
        }
    }

    /// Where it stands among the parts of a result.
    fn rank(&self) -> u8 {
        match self {
            Self::Item { .. } | Self::Field { .. } => 0,
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
    notes: &'r [Note],
    used: HashSet<&'r str>,
    parts: Vec<Part<'r>>,
}

impl<'r> Shaper<'r> {
    fn result(&mut self, result: &'r Value) {
        match result {
            Value::Array(items) if items.iter().any(|item| holds_tables(item) || is_wrapped(item)) => {
                for (index, item) in items.iter().enumerate() {
                    self.parts.push(Part::Item {
                        number: index + 1,
                        of: items.len(),
                    });
                    self.result(item);
                }
            }
            Value::Object(entries) => {
                let begin = self.parts.len();
                for (key, value) in entries {
                    self.part(key, value);
                }
                // A result within this one keeps its own order.
                if !self.parts[begin..].iter().any(|part| matches!(part, Part::Item { .. })) {
                    self.parts[begin..].sort_by_key(Part::rank);
                }
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
            nested if holds_tables(nested) => return self.result(nested),
            value => Part::Json {
                title: Some(title),
                value,
            },
        };
        self.parts.push(part);
    }

    fn entry(&mut self, name: Cow<'r, str>, text: Option<Cow<'r, str>>) -> Entry<'r> {
        let notes = self.notes_about(&name).into_iter().map(Cow::Borrowed);
        let texts = text.into_iter().filter(|text| !text.is_empty()).chain(notes).collect();
        Entry { name, texts }
    }

    fn notes_about(&mut self, subject: &str) -> Vec<&'r str> {
        let about = self.notes.iter().filter(|note| note.subject == subject);
        about
            .map(|note| {
                self.used.insert(&note.subject);
                note.text.as_str()
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

/// Whether this is a list of flat objects.
fn is_rows(value: &Value) -> bool {
    let is_row = |row: &Value| row.as_object().is_some_and(|row| row.values().all(is_scalar));
    value.as_array().is_some_and(|rows| rows.iter().all(is_row))
}

/// Whether this is a result like the ones that plugins return: a map that has a map of row lists in it.
fn holds_tables(value: &Value) -> bool {
    let is_tables = |value: &Value| {
        value
            .as_object()
            .is_some_and(|map| !map.is_empty() && map.values().all(is_rows))
    };
    value.as_object().is_some_and(|map| map.values().any(is_tables))
}

/// Whether this is a map that holds such a result among other things.
fn is_wrapped(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.values().any(holds_tables))
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

/// `1 row`, `2 rows`.
pub(crate) fn counted(count: usize, title: &str) -> String {
    let singular = title.strip_suffix('s').filter(|_| count == 1);
    format!("{} {}", grouped(count), singular.unwrap_or(title))
}

/// A number with its thousands apart.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// How long something took, in words.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 if ms < 100 => format!("{ms} ms"),
        0..60 => format!("{seconds}.{} s", ms % 1_000 / 100),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

impl StepStatus {
    /// A mark for it, and its word.
    pub(crate) fn shown(self) -> (&'static str, &'static str) {
        match self {
            Self::Success => ("✔", "success"),
            Self::Partial => ("◐", "partial"),
            Self::Failed => ("✘", "failed"),
            Self::Skipped => ("–", "skipped"),
        }
    }
}
