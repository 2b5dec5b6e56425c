//! What a search finds, through the redactor that uses it.

#![allow(
    clippy::disallowed_methods,
    reason = "asserts that a bound on work holds, with much to spare"
)]

use std::borrow::Cow;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::secrets::{Redactor, Secrets, Use, Vault};

/// What most leave as it is in a query.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'&')
    .add(b'+');

fn redactor(value: &str) -> Redactor {
    let vault = Vault::new(Secrets::new([("token".to_owned(), SecretString::from(value))]));
    vault.resolve("token", Use::Credential).unwrap();
    vault.redactor()
}

fn json_text(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn each_unit(text: &str, unit: impl Fn(u16) -> String) -> String {
    text.encode_utf16().map(unit).collect()
}

fn each_byte(text: &str, byte: impl Fn(u8) -> String) -> String {
    text.bytes().map(byte).collect()
}

fn each_letter(text: &str, letter: impl Fn(u32) -> String) -> String {
    text.chars().map(u32::from).map(letter).collect()
}

fn html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', "&#39;")
}

/// The ways in which texts are escaped.
const ESCAPES: [fn(&str) -> String; 22] = [
    str::to_owned,
    json_text,
    |text| json_text(&json_text(text)),
    |text| json_text(&json_text(&json_text(text))),
    |text| each_unit(text, |unit| format!("\\u{unit:04x}")),
    |text| each_unit(text, |unit| format!("\\u{unit:04X}")),
    |text| each_unit(text, |unit| format!("\\\\u{unit:04x}")),
    |text| each_byte(text, |byte| format!("%{byte:02x}")),
    |text| each_byte(text, |byte| format!("%{byte:02X}")),
    |text| each_byte(text, |byte| format!("\\x{byte:02x}")),
    |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
    |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string().to_lowercase(),
    |text| utf8_percent_encode(text, QUERY).to_string(),
    |text| {
        utf8_percent_encode(
            &utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
            NON_ALPHANUMERIC,
        )
        .to_string()
    },
    |text| url::form_urlencoded::byte_serialize(text.as_bytes()).collect(),
    |text| json_text(&utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()),
    html,
    |text| html(&json_text(text)),
    |text| each_letter(text, |letter| format!("&#{letter};")),
    |text| each_letter(text, |letter| format!("&#x{letter:x};")),
    |text| each_byte(text, |byte| format!("{byte:02x}")),
    |text| each_byte(text, |byte| format!("{byte:02X}")),
];

/// Escapes that change letters beyond recognition of their case are for secrets without upper case.
const LOWER_CASE_ONLY: usize = 11;

/// What is left of a redacted text when what stood around the secret is taken away.
fn between<'t>(redacted: &'t str, before: &str, after: &str) -> Option<&'t str> {
    redacted.strip_prefix(before)?.strip_suffix(after)
}

#[test]
fn a_secret_that_looks_escaped_is_found_where_percent_signs_are_not_escaped() {
    for (value, text) in [
        ("%aA\tAA", "%aA%09AA"),
        ("100%25 sure", "100%25%20sure"),
        ("a%20b%20c", "a b c"),
    ] {
        assert_eq!(redactor(value).redact(text), "[secret token]", "{value:?} in {text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn an_escaped_secret_is_found_in_any_text_and_nothing_else_is(
        value in "[ -~\u{e9}\u{1f600}\n\t]{6,40}",
        before in "[a-z0-9 .,;:/=+-]{0,20}",
        after in "[a-z .,:/=-]{0,20}",
        escape in 0..ESCAPES.len(),
    ) {
        let value = if escape == LOWER_CASE_ONLY { value.to_lowercase() } else { value };
        prop_assume!(redactor(&value).redact(&value) != value);
        let text = format!("{before} | {} | {after}", ESCAPES[escape](&value));
        let redacted = redactor(&value).redact(&text).into_owned();
        let inside = between(&redacted, &format!("{before} | "), &format!(" | {after}"));
        prop_assert_eq!(inside, Some("[secret token]"), "{}", text);
    }

    #[test]
    fn each_letter_may_be_escaped_in_its_own_way(
        letters in prop::collection::vec(("[!-~]", 0..6_usize), 6..40),
    ) {
        let value: String = letters.iter().map(|(letter, _)| letter.as_str()).collect();
        prop_assume!(redactor(&value).redact(&value) != value);
        let escape = |(letter, way): &(String, usize)| {
            let code = u32::from(letter.chars().next().unwrap());
            match way {
                1 => format!("\\u{code:04x}"),
                2 => format!("%{code:02X}"),
                3 => format!("&#{code};"),
                4 => format!("%{code:02x}"),
                5 => format!("&#x{code:X};"),
                // What begins an escape would begin one here.
                _ if "\\%&".contains(letter) => format!("%{code:02x}"),
                _ => letter.clone(),
            }
        };
        let text: String = letters.iter().map(escape).collect();
        let redacted = redactor(&value).redact(&text).into_owned();
        prop_assert_eq!(redacted, "[secret token]", "{}", text);
    }

    #[test]
    fn base64_of_any_text_with_a_secret_does_not_show_it(
        value in "[ -~\u{e9}]{6,40}",
        before in prop::collection::vec(any::<u8>(), 0..20),
        after in prop::collection::vec(any::<u8>(), 0..20),
        engine in 0..4_usize,
        inner in 0..4_usize,
    ) {
        prop_assume!(redactor(&value).redact(&value) != value);
        let encode = |bytes: &[u8]| match engine {
            0 => STANDARD.encode(bytes),
            1 => STANDARD_NO_PAD.encode(bytes),
            2 => URL_SAFE.encode(bytes),
            _ => URL_SAFE_NO_PAD.encode(bytes),
        };
        let encoded = match inner {
            0 => value.clone().into_bytes(),
            1 => json_text(&value).into_bytes(),
            2 => value.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            _ => value.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        };
        let text = encode(&[&before, &encoded[..], &after].concat());
        let redacted = redactor(&value).redact(&text).into_owned();
        // A letter on each side is decided by the secret in part: it shows less than a byte of it.
        let (start, end) = redacted.split_once("[secret token]").expect(&text);
        prop_assert!(text.starts_with(start) && text.ends_with(end));
        prop_assert!(start.len() <= before.len().div_ceil(3) * 4 && end.len() <= after.len().div_ceil(3) * 4 + 4);
        if inner == 0 {
            let twice = encode(text.as_bytes());
            prop_assert!(redactor(&value).redact(&twice).contains("[secret token]"), "{}", twice);
        }
    }

    #[test]
    fn base64_and_hexadecimal_text_of_many_lines_does_not_show_a_secret(
        value in "[ -~\u{e9}]{6,40}",
        before in "[a-z ]{0,20}",
        after in "[a-z ]{0,20}",
        width in 1..80_usize,
        end in prop::sample::select(vec!["\n", "\r\n", "\n  ", "\r\n\t"]),
        way in 0..3_usize,
        around in 0..4_usize,
    ) {
        prop_assume!(redactor(&value).redact(&value) != value);
        let inside = format!("{before}{value}{after}");
        let encoded = match way {
            0 => STANDARD.encode(inside),
            1 => URL_SAFE.encode(inside),
            _ => each_byte(&inside, |byte| format!("{byte:02x}")),
        };
        let lines: Vec<&str> = encoded.as_bytes().chunks(width).map(|line| str::from_utf8(line).unwrap()).collect();
        let text = lines.join(end);
        let text = match around {
            0 => text,
            1 => json_text(&text),
            2 => utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string(),
            _ => json_text(&json_text(&text)),
        };
        prop_assert!(redactor(&value).redact(&text).contains("[secret token]"), "{}", text);
    }

    #[test]
    fn a_text_without_the_secret_stays_as_it_is(text in "[ -~\u{e9}\n]{0,200}") {
        let redactor = redactor("x9-\u{e9}\"q&7");
        prop_assert!(matches!(redactor.redact(&text), Cow::Borrowed(_)));
        prop_assert_eq!(redactor.redact_bytes(text.as_bytes()), text.as_bytes());
    }

    #[test]
    fn of_a_document_nothing_changes_but_the_text_with_the_secret(
        value in "[!-~]{6,20}",
        others in prop::collection::vec("[a-z\"\n\u{e9} ]{0,12}", 1..6),
        at in any::<prop::sample::Index>(),
        space in "[ \n\t]{0,3}",
    ) {
        prop_assume!(redactor(&value).redact(&value) != value);
        let redactor = redactor(&value);
        let at = at.index(others.len());
        let document = |inside: &str| {
            let fields = others.iter().enumerate().map(|(index, other)| {
                let text = if index == at { format!("{other}{inside}") } else { other.clone() };
                format!("{space}\"name {index}\"{space}:{space}{}{space}", Value::from(text))
            });
            format!("[{{{}}},{space}12345.50,{space}true]", fields.collect::<Vec<_>>().join(","))
        };
        let redacted = redactor.redact_json_text(&document(&value)).into_owned();
        prop_assert_eq!(redacted, document("[secret token]"));
    }
}

#[test]
fn a_secret_of_digits_is_found_where_it_is_a_number_and_as_a_name() {
    let redactor = redactor("73519284650");
    let document = r#"{"id": 73519284650, "73519284650": [1, 735192], "rest": -73519284650.25e3, "big": 1173519284650117351928465011735192846501}"#;
    assert_eq!(
        redactor.redact_json_text(document),
        r#"{"id": "[secret token]", "[secret token]": [1, 735192], "rest": "-[secret token].25e3", "big": "11[secret token]11[secret token]11[secret token]1"}"#
    );
    let value = redactor.redact_json(json!({"id": 73_519_284_650_u64, "part": 735, "x": {"73519284650": null}}));
    assert_eq!(
        value,
        json!({"id": "[secret token]", "part": 735, "x": {"[secret token]": null}})
    );
}

#[test]
fn names_that_become_one_do_not_take_each_others_place() {
    let redactor = redactor("hunter2!");
    let document = r#"{"hunter2!": 1, "%68unter2!": 2, "other": 3, "inner": {"hunter2!": 4}}"#;
    let expected = json!({"[secret token]": 1, "[secret token] 2": 2, "other": 3, "inner": {"[secret token]": 4}});
    let redacted = redactor.redact_json_text(document);
    assert_eq!(serde_json::from_str::<Value>(&redacted).unwrap(), expected);
    assert_eq!(redactor.redact_json(serde_json::from_str(document).unwrap()), expected);
}

/// A plain search would take hours with these. In a build that is not optimised it takes seconds.
#[test]
fn no_secret_and_no_text_make_a_search_long() {
    let near = "ab".repeat(16 << 10);
    let secret = format!("{near}!");
    let redactor = redactor(&secret);
    let began = Instant::now();
    let text = "ab".repeat(1 << 20);
    assert_eq!(redactor.redact(&text), text);
    let text = format!("{near}?").repeat(30);
    assert_eq!(redactor.redact_words(&text), text);
    let text = format!("{near}…").repeat(10);
    assert_eq!(redactor.redact(&text), "[secret token]…".repeat(10));
    let text = "\\u0061\\u0062".repeat(100 << 10);
    assert_eq!(redactor.redact(&text), text);
    assert_eq!(redactor.redact(&secret.repeat(20)), "[secret token]".repeat(20));
    assert!(began.elapsed() < Duration::from_mins(2), "{:?}", began.elapsed());
}

/// Each of them cost a new automaton of all before it.
#[test]
fn thousands_of_tokens_are_captured_at_once_and_all_are_found() {
    let vault = Vault::new(Secrets::new([]));
    let began = Instant::now();
    let tokens: Vec<String> = (0..1_000)
        .map(|at| format!("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{at:0>8}-of-a-session"))
        .collect();
    for tokens in tokens.chunks(10) {
        let call = vault.call(None);
        for token in tokens {
            call.capture("token", token.clone()).unwrap();
        }
    }
    let text = tokens.join(" ");
    assert_eq!(vault.redactor().redact(&text), vec!["[secret token]"; 1_000].join(" "));
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
}
