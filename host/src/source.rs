//! Text that people wrote, and where in it each value stands.
//!
//! Two parsers read every document. The first (saphyr) only looks: it knows where each value stands and refuses what the
//! second would accept in silence, such as a key given twice. The second (`serde_yaml`) makes the values.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Place};

/// The largest document, in bytes.
pub(crate) const LARGEST: usize = 1 << 20;

/// How deeply values may be nested.
const DEEPEST: usize = 64;

/// How many values a document may hold once its aliases are followed.
const MOST_VALUES: usize = 200_000;

/// A named text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// What messages call it: a path as the user gave it.
    pub(crate) name: String,
    /// The text.
    pub(crate) text: String,
}

/// A parsed YAML (or JSON) document that knows where its values stand.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    source: Arc<Source>,
    value: Value,
    spans: HashMap<String, Spans>,
}

/// Where an entry stands, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spans {
    key: Option<Range<usize>>,
    value: Range<usize>,
}

impl Document {
    /// Reads a YAML document; JSON is YAML. Every problem found is returned.
    pub(crate) fn parse(source: Source) -> Result<Self, Vec<Diagnostic>> {
        let source = Arc::new(source);
        let at = |span: Range<usize>, code, message: String| {
            Diagnostic::error(code, message).at(Place::bytes(source.clone(), span))
        };
        if source.text.len() > LARGEST {
            return Err(vec![at(
                0..0,
                "too-large",
                format!("the file is larger than {LARGEST} bytes"),
            )]);
        }
        let documents = MarkedYaml::load_from_str(&source.text).map_err(|error| {
            let offset = Offsets::of(&source.text).byte(error.marker().index());
            if error.info().starts_with("duplicated key") {
                let key = self::key_at(&source.text, offset);
                let span = offset..offset + key.len();
                return vec![
                    at(span, "duplicate-key", format!("the key `{key}` is given twice"))
                        .hint("remove one of the two; which one would count is not defined"),
                ];
            }
            vec![
                at(
                    offset..offset,
                    "yaml-syntax",
                    format!("this is not YAML: {}", error.info()),
                )
                .hint("check the indentation, and quote texts that hold `: `, ` #`, `{` or `[`"),
            ]
        })?;
        let root = match documents.as_slice() {
            [root] => root,
            [] => return Err(vec![at(0..0, "empty-file", "the file is empty".into())]),
            [_, second, ..] => {
                let offset = Offsets::of(&source.text).byte(second.span.start.index());
                return Err(vec![at(
                    offset..offset,
                    "several-documents",
                    "a file holds one document; a second begins here".into(),
                )]);
            }
        };
        let mut walk = Walk {
            source: &source,
            offsets: Offsets::of(&source.text),
            spans: HashMap::new(),
            problems: Vec::new(),
            values: 0,
        };
        walk.visit(root, &mut String::new(), None, 0);
        let (spans, problems) = (walk.spans, walk.problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let value = serde_yaml::from_str::<Value>(&source.text).map_err(|error| {
            let offset = error.location().map_or(0, |location| location.index());
            vec![at(offset..offset, "yaml-syntax", format!("this is not YAML: {error}"))]
        })?;
        Ok(Self { source, value, spans })
    }

    /// The text it was read from.
    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The value.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// Where the value at a JSON pointer stands; if there is none, where the nearest value around it stands.
    pub(crate) fn span(&self, pointer: &str) -> Range<usize> {
        self.nearest(pointer).map_or(0..0, |spans| spans.value.clone())
    }

    /// Where the key of the value at a JSON pointer stands; list items have none, so the value's place is given.
    pub(crate) fn key_span(&self, pointer: &str) -> Range<usize> {
        match self.nearest(pointer) {
            Some(Spans { key: Some(key), .. }) => key.clone(),
            Some(spans) => spans.value.clone(),
            None => 0..0,
        }
    }

    /// Where `range` of the text at a JSON pointer stands. When the text is not written as it is (escapes, folded
    /// lines), the whole of it is pointed at.
    pub(crate) fn span_within(&self, pointer: &str, range: Range<usize>) -> Range<usize> {
        let whole = self.span(pointer);
        let Some(text) = self.value.pointer(pointer).and_then(Value::as_str) else {
            return whole;
        };
        let written = self.source.text.get(whole.clone()).unwrap_or_default();
        match written.find(text) {
            Some(offset) if range.end <= text.len() => {
                whole.start + offset + range.start..whole.start + offset + range.end
            }
            _ => whole,
        }
    }

    fn nearest(&self, mut pointer: &str) -> Option<&Spans> {
        loop {
            if let Some(spans) = self.spans.get(pointer) {
                return Some(spans);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }
}

/// Escapes a key for a JSON pointer (RFC 6901).
pub(crate) fn escape_key(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Byte offsets of character indexes: saphyr counts characters.
struct Offsets(Vec<usize>);

impl Offsets {
    fn of(text: &str) -> Self {
        Self(text.char_indices().map(|(at, _)| at).chain([text.len()]).collect())
    }

    fn byte(&self, character: usize) -> usize {
        self.0.get(character).or(self.0.last()).copied().unwrap_or_default()
    }
}

struct Walk<'a> {
    source: &'a Arc<Source>,
    offsets: Offsets,
    spans: HashMap<String, Spans>,
    problems: Vec<Diagnostic>,
    values: usize,
}

impl Walk<'_> {
    fn visit(&mut self, node: &MarkedYaml<'_>, pointer: &mut String, key: Option<Range<usize>>, depth: usize) {
        self.values += 1;
        let span = self.range(node);
        if self.values == MOST_VALUES || depth == DEEPEST {
            self.problem(
                span,
                "too-complex",
                "the document nests too deeply or repeats too much through aliases",
            );
            return;
        }
        if self.values > MOST_VALUES {
            return;
        }
        self.spans.insert(
            pointer.clone(),
            Spans {
                key,
                value: span.clone(),
            },
        );
        match &node.data {
            YamlData::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    let length = pointer.len();
                    write!(pointer, "/{index}").expect("writing to a string cannot fail");
                    self.visit(item, pointer, None, depth + 1);
                    pointer.truncate(length);
                }
            }
            YamlData::Mapping(entries) => self.visit_mapping(entries.iter(), pointer, depth),
            YamlData::Tagged(..) => self.problem(span, "yaml-tag", "YAML tags (`!name`) are not supported"),
            YamlData::BadValue => self.problem(span, "yaml-syntax", "this value does not fit its tag"),
            YamlData::Value(_) | YamlData::Representation(..) | YamlData::Alias(_) => {}
        }
    }

    fn visit_mapping<'n>(
        &mut self,
        entries: impl Iterator<Item = (&'n MarkedYaml<'n>, &'n MarkedYaml<'n>)>,
        pointer: &mut String,
        depth: usize,
    ) {
        for (key, value) in entries {
            let place = self.range(key);
            let Some(name) = key_text(&key.data) else {
                self.problem(place, "yaml-key", "a key must be a single text");
                continue;
            };
            if name == "<<" {
                self.problem(
                    place.clone(),
                    "merge-key",
                    "merge keys (`<<`) are not supported; repeat the values or use an alias for the whole value",
                );
            }
            let length = pointer.len();
            pointer.push('/');
            pointer.push_str(&escape_key(&name));
            self.visit(value, pointer, Some(place), depth + 1);
            pointer.truncate(length);
        }
    }

    fn range(&self, node: &MarkedYaml<'_>) -> Range<usize> {
        let start = self.offsets.byte(node.span.start.index());
        let end = self.offsets.byte(node.span.end.index()).max(start);
        // A block's end is where the next thing begins: leave out the space between.
        let length = self.source.text.get(start..end).map_or(0, |text| text.trim_end().len());
        start..start + length
    }

    fn problem(&mut self, span: Range<usize>, code: &'static str, message: &str) {
        self.problems
            .push(Diagnostic::error(code, message).at(Place::bytes(self.source.clone(), span)));
    }
}

/// The key that is written at this place.
fn key_at(text: &str, offset: usize) -> &str {
    let rest = text.get(offset..).unwrap_or_default();
    rest[..rest.find([':', '\n']).unwrap_or(rest.len())].trim_end()
}

/// A key as `serde_yaml` would spell it in a JSON object.
fn key_text<'a>(key: &YamlData<'a, MarkedYaml<'a>>) -> Option<String> {
    match key {
        YamlData::Value(Scalar::String(text)) => Some(text.to_string()),
        YamlData::Value(Scalar::Integer(number)) => Some(number.to_string()),
        YamlData::Value(Scalar::Boolean(value)) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn document(text: &str) -> Result<Document, Vec<Diagnostic>> {
        Document::parse(Source {
            name: "test.yaml".into(),
            text: text.into(),
        })
    }

    #[test]
    fn what_one_parser_would_accept_in_silence_is_refused() {
        let deep = "[".repeat(100) + &"]".repeat(100);
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = format!("*a{}", level - 1);
            writeln!(bomb, "a{level}: &a{level} [{}]", vec![below; 9].join(", ")).unwrap();
        }
        for (text, code) in [
            ("a: 1\na: 2", "duplicate-key"),
            ("p: {a: 1, a: 2}", "duplicate-key"),
            ("a: &x {b: 1}\nc:\n  <<: *x", "merge-key"),
            ("a: 1\n---\nb: 2", "several-documents"),
            ("", "empty-file"),
            ("a: [", "yaml-syntax"),
            (&deep, "too-complex"),
            (&bomb, "yaml-syntax"),
        ] {
            let problems = document(text).expect_err(code);
            assert_eq!(problems[0].code(), code, "{text:.40}");
        }
    }

    #[test]
    fn a_place_is_counted_in_bytes_and_found_inside_a_text() {
        let text = "\u{e9}: \"x {{ a }}\"\nfolded: >\n  one\n  two\n";
        let document = document(text).unwrap();
        let within = document.span_within("/\u{e9}", 2..9);
        assert_eq!(&text[within], "{{ a }}");
        let folded = &text[document.span_within("/folded", 0..3)];
        assert!(
            folded.contains(
                "one
  two"
            ),
            "a folded text is shown whole"
        );
    }

    fn pointers(value: &Value, at: &str, all: &mut BTreeSet<String>) {
        all.insert(at.to_owned());
        match value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(i, item)| pointers(item, &format!("{at}/{i}"), all)),
            Value::Object(map) => {
                map.iter()
                    .for_each(|(key, item)| pointers(item, &format!("{at}/{}", escape_key(key)), all));
            }
            _ => {}
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[ -~\u{e9}\n]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z/~ ]{1,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn both_parsers_see_the_same_document(value in any_value()) {
            for text in [value.to_string(), serde_yaml::to_string(&value).unwrap()] {
                let document = document(&text).unwrap();
                prop_assert_eq!(document.value(), &value);
                let mut expected = BTreeSet::new();
                pointers(&value, "", &mut expected);
                prop_assert_eq!(document.spans.keys().cloned().collect::<BTreeSet<_>>(), expected);
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[ -~\n\t\u{e9}]{0,80}") {
            if let Err(problems) = document(&text) {
                for problem in problems {
                    problem.render(false);
                }
            }
        }
    }
}
