//! Reads an outline from the events of the YAML parser.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScanError, Span, Tag};

use super::{Children, MapEntry, Node, Outline};
use crate::text::diagnostic::{Code, Diagnostic, Diagnostics, Place, cut};
use crate::text::source::Source;
use crate::text::yaml_error;

/// How deeply values may be nested; [`yaml_error::TOO_DEEP`] says so.
const DEEPEST: usize = 64;

/// How many values a document may hold once its aliases are followed.
const MOST_VALUES: usize = 200_000;

/// See [`Outline::read`].
pub(super) fn read(source: &Arc<Source>, text: &str) -> Result<(Outline, Diagnostics), Diagnostics> {
    let mut reading = Reading {
        source,
        offsets: Offsets::of(source.text()),
        nodes: Vec::new(),
        open: Vec::new(),
        anchors: HashMap::new(),
        documents: 0,
        problems: Diagnostics::default(),
    };
    for event in Parser::new_from_str(text) {
        let going_on = match event {
            Ok((event, span)) => reading.event(event, span),
            Err(error) => Err(reading.syntax(&error)),
        };
        if let Err(problem) = going_on {
            reading.problems.push(problem);
            return Err(reading.problems);
        }
    }
    if reading.documents == 0 {
        let message = if source.text().trim().is_empty() {
            "the file is empty"
        } else {
            "the file holds nothing but comments"
        };
        return Err(reading.problem(0..0, Code::EmptyFile, message).into());
    }
    Ok((Outline { nodes: reading.nodes }, reading.problems))
}

/// Byte offsets of character indexes: the parser counts characters.
enum Offsets {
    Ascii,
    Table(Vec<usize>),
}

impl Offsets {
    fn of(text: &str) -> Self {
        if text.is_ascii() {
            return Self::Ascii;
        }
        Self::Table(text.char_indices().map(|(at, _)| at).chain([text.len()]).collect())
    }

    fn byte(&self, character: usize) -> usize {
        match self {
            Self::Ascii => character,
            Self::Table(table) => table.get(character).or(table.last()).copied().unwrap_or_default(),
        }
    }
}

struct Reading<'s> {
    source: &'s Arc<Source>,
    offsets: Offsets,
    nodes: Vec<Node>,
    /// The lists and maps that are not complete, from the outside in.
    open: Vec<Open>,
    /// The anchored values by number; none while one is not complete.
    anchors: HashMap<usize, Option<usize>>,
    documents: usize,
    problems: Diagnostics,
}

struct Open {
    start: usize,
    anchor: usize,
    inner: OpenInner,
}

enum OpenInner {
    List(Vec<usize>),
    Map {
        entries: HashMap<String, MapEntry>,
        /// Where each key was first given.
        first: HashMap<String, Range<usize>>,
        /// The key whose value comes next.
        key: Option<(String, Range<usize>)>,
    },
}

impl Reading<'_> {
    /// Takes an event; an error is where reading cannot go on.
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        let range = self.range(span);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a file holds one document, and a second begins here";
                    return Err(self.problem(range, Code::SeveralDocuments, message));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.check_tag(tag.as_deref(), &range);
                if self.is_key() {
                    self.key(&text, range);
                } else {
                    self.complete(range, Children::Scalar(style), anchor)?;
                }
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(range, anchor, tag.as_deref(), OpenInner::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                let inner = OpenInner::Map {
                    entries: HashMap::new(),
                    first: HashMap::new(),
                    key: None,
                };
                self.open(range, anchor, tag.as_deref(), inner)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let inner = match open.inner {
                    OpenInner::List(items) => Children::List(items),
                    OpenInner::Map { entries, .. } => Children::Map(entries),
                };
                let span = self.trimmed(open.start..range.end);
                self.complete(span, inner, open.anchor)?;
            }
            Event::Alias(anchor) => {
                let name = self.source.text()[range.clone()].to_owned();
                if self.is_key() {
                    let message = format!("the alias `{name}` cannot be a key");
                    return Err(self.problem(range, Code::YamlKey, message));
                }
                let Some(target) = self.anchors.get(&anchor).copied().flatten() else {
                    let message = format!("the alias `{name}` stands inside the value that it stands for");
                    return Err(self.problem(range, Code::RecursiveAlias, message));
                };
                self.complete(range, Children::Alias(target), 0)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// Whether the next value is a key.
    fn is_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                inner: OpenInner::Map { key: None, .. },
                ..
            })
        )
    }

    fn key(&mut self, name: &str, range: Range<usize>) {
        if name == "<<" {
            let problem = self.problem(range.clone(), Code::MergeKey, "merge keys (`<<`) are not supported");
            self.problems
                .push(problem.hint("repeat the values, or use an alias for the whole value"));
        }
        let Some(Open {
            inner: OpenInner::Map { first, key, .. },
            ..
        }) = self.open.last_mut()
        else {
            return;
        };
        *key = Some((name.to_owned(), range.clone()));
        let Some(given) = first.get(name).cloned() else {
            first.insert(name.to_owned(), range);
            return;
        };
        let problem = self.problem(
            range,
            Code::DuplicateKey,
            format!("the key `{}` is given twice", cut(name)),
        );
        self.problems.push(
            problem
                .label("given again here")
                .related(Place::bytes(self.source.clone(), given), "first given here")
                .hint("remove one of the two; readers of YAML disagree on which one counts"),
        );
    }

    fn open(
        &mut self,
        range: Range<usize>,
        anchor: usize,
        tag: Option<&Tag>,
        inner: OpenInner,
    ) -> Result<(), Diagnostic> {
        self.check_tag(tag, &range);
        if self.is_key() {
            let template =
                self.source.text()[range.start..].starts_with("{{") || self.source.text()[..range.start].ends_with('{');
            let problem = self.problem(
                range,
                Code::YamlKey,
                "a key must be a text, and here it is a list or a map",
            );
            return Err(problem.hint(if template {
                "put the template in quotes: \"{{ … }}\""
            } else {
                "put the key in quotes"
            }));
        }
        if self.open.len() >= DEEPEST {
            return Err(self.too_deep(range));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, None);
        }
        self.open.push(Open {
            start: range.start,
            anchor,
            inner,
        });
        Ok(())
    }

    /// A value is complete: it goes into the list or map around it.
    fn complete(&mut self, span: Range<usize>, inner: Children, anchor: usize) -> Result<(), Diagnostic> {
        let (values, height) = match &inner {
            Children::Scalar(_) => (1, 0),
            Children::Alias(target) => (self.nodes[*target].values, self.nodes[*target].height),
            Children::List(items) => self.size(items.iter().copied()),
            Children::Map(entries) => self.size(entries.values().map(|entry| entry.value)),
        };
        if self.open.len() + height > DEEPEST {
            return Err(self.too_deep(span));
        }
        if values > MOST_VALUES || self.nodes.len() >= MOST_VALUES {
            let aliases = !self.anchors.is_empty();
            let followed = if aliases { " once its aliases are followed" } else { "" };
            let message = format!("the document holds more than {MOST_VALUES} values{followed}");
            return Err(self.problem(span, Code::TooManyValues, message));
        }
        let node = self.nodes.len();
        self.nodes.push(Node {
            span,
            inner,
            values,
            height,
        });
        if anchor > 0 {
            self.anchors.insert(anchor, Some(node));
        }
        match self.open.last_mut().map(|open| &mut open.inner) {
            Some(OpenInner::List(items)) => items.push(node),
            Some(OpenInner::Map { entries, key, .. }) => {
                if let Some((name, key)) = key.take() {
                    entries.insert(name, MapEntry { key, value: node });
                }
            }
            None => {}
        }
        Ok(())
    }

    fn size(&self, held: impl Iterator<Item = usize>) -> (usize, usize) {
        held.fold((1, 1), |(values, height), node| {
            let node = &self.nodes[node];
            (values.saturating_add(node.values), height.max(node.height + 1))
        })
    }

    fn check_tag(&mut self, tag: Option<&Tag>, range: &Range<usize>) {
        let Some(tag) = tag else { return };
        let known = ["str", "int", "float", "bool", "null", "seq", "map"];
        if tag.is_yaml_core_schema() && known.contains(&tag.suffix.as_str()) {
            return;
        }
        // The parser says where the value is; its tag stands before it.
        let before = &self.source.text()[..range.end];
        let line = before[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
        let start = before[line..].rfind('!').map_or(range.start, |at| line + at);
        let start = self.source.text()[line..=start]
            .rfind(' ')
            .map_or(start, |space| line + space + 1);
        let written = self.source.text()[start..]
            .split([' ', '\n', '\r'])
            .next()
            .unwrap_or_default();
        let problem = self.problem(
            start..start + written.len(),
            Code::YamlTag,
            format!("the tag `{written}` means nothing here"),
        );
        self.problems
            .push(problem.hint("leave it out; a text that begins with `!` must be quoted"));
    }

    fn too_deep(&self, span: Range<usize>) -> Diagnostic {
        self.problem(span, Code::TooDeep, yaml_error::TOO_DEEP)
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        // What ends too early is shown at the end of what there is.
        let end = self.source.text().trim_end().len();
        let offset = self.offsets.byte(error.marker().index()).min(end);
        let problem = yaml_error::explain(self.source, error.info(), offset);
        // A bracket that is still open is likely what is wrong.
        let is_bracket = |open: &&Open| self.source.text()[open.start..].starts_with(['[', '{']);
        match self.open.iter().rfind(is_bracket) {
            Some(open) if problem.code() == Code::YamlSyntax => problem.related(
                Place::bytes(self.source.clone(), open.start..open.start + 1),
                "opened here",
            ),
            _ => problem,
        }
    }

    fn range(&self, span: Span) -> Range<usize> {
        let start = self.offsets.byte(span.start.index());
        self.trimmed(start..self.offsets.byte(span.end.index()).max(start))
    }

    /// A block's end is where the next thing begins: leaves out the space between.
    fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        let text = self.source.text().get(range.clone()).unwrap_or_default();
        range.start..range.start + text.trim_end().len()
    }

    fn problem(&self, span: Range<usize>, code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, message).at(Place::bytes(self.source.clone(), span))
    }
}
