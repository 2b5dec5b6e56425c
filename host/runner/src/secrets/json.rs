//! JSON documents in which nothing but what is replaced changes, down to the space between.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

/// The document with something in the place of its texts, names and numbers, wherever `replace` has something. A number
/// becomes a text. Nothing if nothing was replaced, or if it is no JSON.
pub(super) fn rewrite(json: &str, mut replace: impl FnMut(&str) -> Option<String>) -> Option<String> {
    let bytes = json.as_bytes();
    let mut rewritten = String::new();
    // The names that were replaced, in each of the objects around.
    let mut names: Vec<Names> = Vec::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        let end = match byte {
            b'"' => at + string(&bytes[at..])?,
            b'-' | b'0'..=b'9' => at + number(&bytes[at..]),
            b'{' | b'[' => {
                names.push(Names::default());
                at += 1;
                continue;
            }
            b'}' | b']' => {
                names.pop();
                at += 1;
                continue;
            }
            _ => {
                at += 1;
                continue;
            }
        };
        let token = &json[at..end];
        if let Some(mut new) = replace(&content(token)) {
            let is_name = bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
            if is_name && let Some(names) = names.last_mut() {
                new = names.unique(new);
            }
            rewritten.push_str(&json[kept..at]);
            rewritten.push_str(&Value::from(new).to_string());
            kept = end;
        }
        at = end;
    }
    if kept == 0 {
        return None;
    }
    rewritten.push_str(&json[kept..]);
    Some(rewritten)
}

/// The same for a value, in place.
pub(super) fn rewrite_value(value: &mut Value, replace: &mut impl FnMut(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(new) = replace(text) {
                *text = new;
            }
        }
        Value::Number(number) => {
            if let Some(new) = number_text(number).and_then(|text| replace(&text)) {
                *value = Value::String(new);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite_value(item, replace)),
        Value::Object(entries) => {
            entries.values_mut().for_each(|value| rewrite_value(value, replace));
            let renamed: Vec<Option<String>> = entries.keys().map(|name| replace(name)).collect();
            if renamed.iter().any(Option::is_some) {
                let mut names = Names::default();
                let old = std::mem::take(entries).into_iter().zip(renamed);
                *entries = old
                    .map(|((name, value), new)| (new.map_or(name, |new| names.unique(new)), value))
                    .collect::<Map<_, _>>();
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// The digits of a number; nothing if there are too few to be a secret.
fn number_text(number: &Number) -> Option<String> {
    let small = number.as_i64().is_some_and(|number| number.unsigned_abs() < 1_000);
    (!small).then(|| number.to_string())
}

/// Names that came to be by replacing others. Two that become one must not take each other's place.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn unique(&mut self, name: String) -> String {
        let count = self.0.iter().filter(|known| **known == name).count();
        self.0.push(name.clone());
        match count {
            0 => name,
            more => format!("{name} {}", more + 1),
        }
    }
}

/// The text of a token.
fn content(token: &str) -> Cow<'_, str> {
    match token.strip_prefix('"').and_then(|token| token.strip_suffix('"')) {
        Some(inside) if inside.contains('\\') => {
            let text = serde_json::from_str::<String>(token);
            text.map_or(Cow::Borrowed(inside), Cow::Owned)
        }
        Some(inside) => inside.into(),
        None => token.into(),
    }
}

/// How long the string is that begins here; none if it does not end.
fn string(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// How long the number is that begins here.
fn number(bytes: &[u8]) -> usize {
    let part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    bytes.iter().take_while(part).count()
}
