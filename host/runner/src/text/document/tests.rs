use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use saphyr_parser::ScalarStyle;

use super::*;

use crate::text::json::escape_key;

fn document(text: &str) -> Result<Document, Diagnostics> {
    let (document, problems) = Document::parse(Source::new("test.yaml", text))?;
    problems.or(document)
}

/// Every value of a document under its JSON pointer.
fn pointers(value: &Value, at: &str, all: &mut BTreeSet<String>) {
    all.insert(at.to_owned());
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{index}"), all);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                pointers(item, &format!("{at}/{}", escape_key(key)), all);
            }
        }
        _ => {}
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~\u{e9}\u{1f600}\n]{0,12}".prop_map(Value::from),
        // What YAML could take for something else than a text.
        prop::sample::select(vec![
            "true", "~", "null", "1", "1.5", "0x10", "- a", "a: b", "#", "{{ x }}", "*a", "&a", "!a", "|", ""
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z0-9/~ \u{e9}]{1,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Ways to write a value in YAML.
#[derive(Debug, Clone, Copy)]
enum Style {
    Json,
    PrettyJson,
    Serialized,
    /// Block maps and lists, texts in single quotes.
    Single,
    /// Block maps and lists, texts as blocks where they can be.
    Literal,
    /// Each value with an anchor, and repeated by an alias.
    Anchored,
}

fn written(value: &Value, style: Style) -> String {
    match style {
        Style::Json => value.to_string(),
        Style::PrettyJson => format!("{value:#}"),
        Style::Serialized => serde_yaml::to_string(value).unwrap(),
        Style::Single | Style::Literal => {
            let mut text = String::new();
            block(value, 0, style, &mut text);
            text
        }
        Style::Anchored => format!("first: &anchor {value}\nagain: *anchor\nlist: [*anchor, *anchor]\n"),
    }
}

/// Writes a value in block style, behind what is in its line already.
fn block(value: &Value, depth: usize, style: Style, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                write!(text, "\n{indent}- ").unwrap();
                block(item, depth + 1, style, text);
            }
        }
        Value::Object(map) if !map.is_empty() => {
            for (key, item) in map {
                write!(text, "\n{indent}'{key}': ").unwrap();
                block(item, depth + 1, style, text);
            }
        }
        Value::String(string) => match style {
            // A block's indentation is that of its first line, which must not be blank.
            Style::Literal
                if string.lines().all(|line| line.starts_with(char::is_alphanumeric)) && !string.is_empty() =>
            {
                let keep = if string.ends_with('\n') { "" } else { "-" };
                write!(text, "|{keep}").unwrap();
                for line in string.lines() {
                    write!(text, "\n{indent}  {line}").unwrap();
                }
                if string.ends_with('\n') {
                    text.push('\n');
                }
            }
            _ if !string.contains('\n') => write!(text, "'{}'", string.replace('\'', "''")).unwrap(),
            _ => text.push_str(&value.to_string()),
        },
        other => text.push_str(&other.to_string()),
    }
}

/// JSON indented with tabs.
fn with_tabs(value: &Value) -> String {
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(Vec::new(), formatter);
    serde::Serialize::serialize(value, &mut serializer).unwrap();
    String::from_utf8(serializer.into_inner()).unwrap()
}

fn any_style() -> impl Strategy<Value = Style> {
    prop::sample::select(vec![
        Style::Json,
        Style::PrettyJson,
        Style::Serialized,
        Style::Single,
        Style::Literal,
        Style::Anchored,
    ])
}

proptest! {
    #[test]
    fn both_parsers_see_the_same_document(value in any_value(), style in any_style()) {
        let text = written(&value, style);
        let document = document(&text).unwrap_or_else(|problems| panic!("{text}\n{problems}"));
        let value = match style {
            Style::Anchored => serde_json::json!({"first": value, "again": value, "list": [value, value]}),
            _ => value,
        };
        prop_assert_eq!(document.value(), &value, "{}", text);
        let mut expected = BTreeSet::new();
        pointers(&value, "", &mut expected);
        for pointer in &expected {
            prop_assert!(document.outline.has(pointer), "{pointer} in\n{text}");
        }
        prop_assert_eq!(document.outline.size(), expected.len(), "{}", text);
        // What a scalar's place holds, read on its own, is the scalar.
        for pointer in &expected {
            let value = document.value().pointer(pointer).unwrap();
            let there = &text[document.span(pointer)];
            let block = [Some(ScalarStyle::Literal), Some(ScalarStyle::Folded)];
            if document.outline.nearest(pointer).is_some_and(|spans| spans.style.is_some() && !block.contains(&spans.style)) {
                let read: Value = serde_yaml::from_str(there).unwrap();
                prop_assert_eq!(&read, value, "{} in\n{}", pointer, text);
            }
        }
    }

    #[test]
    fn json_is_read_as_json_and_has_places(value in any_value(), pretty in any::<bool>()) {
        let text = if pretty { with_tabs(&value) } else { value.to_string() };
        let document = Document::parse(Source::new("test.json", text.as_str()));
        let (document, _) = document.unwrap_or_else(|problems| panic!("{text}\n{problems}"));
        prop_assert_eq!(document.value(), &value);
        let mut expected = BTreeSet::new();
        pointers(&value, "", &mut expected);
        for pointer in &expected {
            prop_assert!(document.outline.has(pointer), "{pointer} in\n{text}");
        }
    }

    #[test]
    fn a_part_of_a_text_is_found_however_it_is_written(
        before in "[a-z \"'\\\\\u{e9}\n\t]{0,20}",
        after in "[a-z \"'\u{e9}\n]{0,20}",
        style in any_style(),
    ) {
        let string = format!("{before}{{{{ x }}}}{after}");
        let value = serde_json::json!({"key": {"inner": string}});
        let text = written(&value, style);
        let document = document(&text).unwrap_or_else(|problems| panic!("{text}\n{problems}"));
        let pointer = if let Style::Anchored = style { "/first/key/inner" } else { "/key/inner" };
        let within = document.span_within(pointer, before.len()..before.len() + "{{ x }}".len());
        prop_assert_eq!(&text[within], "{{ x }}", "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ -~\n\t\u{e9}]{0,80}") {
        if let Err(problems) = document(&text) {
            problems.render(true);
        }
    }
}

#[test]
fn what_is_small_to_write_and_huge_to_hold_is_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for level in 1..100 {
        let below = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", vec![below.clone(); 9].join(", ")).unwrap();
        writeln!(deep, "a{level}: &a{level} [{below}]").unwrap();
    }
    let json = Document::parse(Source::new("deep.json", "[".repeat(1 << 20)));
    assert_eq!(json.unwrap_err().iter().next().unwrap().code(), Code::TooDeep);
    for (text, code) in [
        ("[".repeat(100_000), Code::TooDeep),
        ("{a: ".repeat(100_000), Code::TooDeep),
        ("- ".repeat(100_000), Code::TooDeep),
        (deep, Code::TooDeep),
        (bomb, Code::TooManyValues),
        (format!("[{}]", "1,".repeat(300_000)), Code::TooManyValues),
        ("x".repeat(2 << 20), Code::TooLarge),
    ] {
        let problems = document(&text).expect_err("it is refused");
        assert_eq!(problems.iter().next().unwrap().code(), code, "{text:.40}");
    }
}
