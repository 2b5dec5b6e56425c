use html5gum::{DefaultEmitter, Token, Tokenizer};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::run::report::{RunStatus, StepStatus};
use crate::text::visible::visible;
use crate::views::layout::samples::{HOSTILE, everywhere, report, shapes, step};

/// A page as a browser's tokenizer reads it.
#[derive(Debug, Default)]
struct Read {
    /// `<td class>`, `</td>`: the tags with the names of their attributes.
    tags: Vec<String>,
    /// The values of attributes.
    values: Vec<String>,
    /// The texts between the tags.
    texts: Vec<String>,
    /// What the standard calls a parse error, and comments, which the page has none of.
    faults: Vec<String>,
}

fn read(page: &str) -> Read {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut read = Read::default();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    for token in Tokenizer::new_with_emitter(page, emitter).flatten() {
        match token {
            Token::StartTag(tag) => {
                let names = tag.attributes.keys().map(|name| format!(" {}", text(name)));
                read.tags
                    .push(format!("<{}{}>", text(&tag.name), names.collect::<String>()));
                read.values.extend(tag.attributes.values().map(|value| text(value)));
            }
            Token::EndTag(tag) => read.tags.push(format!("</{}>", text(&tag.name))),
            Token::String(string) => read.texts.push(text(&string)),
            Token::Comment(comment) => read.faults.push(text(&comment)),
            Token::Error(error) => read.faults.push(error.to_string()),
            Token::Doctype(_) => {}
        }
    }
    read
}

/// The tags that are open at each point match, but for those that have no end.
fn assert_nested(read: &Read) {
    let mut open: Vec<&str> = Vec::new();
    for tag in &read.tags {
        let name = tag.trim_matches(['<', '>', '/']).split(' ').next().unwrap();
        match name {
            "meta" | "input" | "rect" => {}
            _ if tag.starts_with("</") => assert_eq!(open.pop(), Some(name), "{:?}", read.tags),
            _ => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_is_well_formed_and_loads_nothing() {
    let page = html_report(&shapes());
    let read = read(&page);
    assert_eq!(read.faults, [""; 0]);
    assert_nested(&read);
    for reference in ["src=", "@import", "url(", "://", " style=", "onclick"] {
        assert!(!page.contains(reference), "{reference}");
    }
    let ids: Vec<&str> = page
        .split(" id=\"")
        .skip(1)
        .map(|rest| &rest[..rest.find('"').unwrap()])
        .collect();
    for id in &ids {
        assert_eq!(ids.iter().filter(|other| other == &id).count(), 1, "{id}");
    }
}

#[test]
fn the_policy_knows_the_style_and_the_script_by_their_hashes() {
    let page = html_report(&shapes());
    let between = |open: &str, close: &str| {
        let rest = page.split_once(open).unwrap().1;
        rest.split_once(close).unwrap().0.to_owned()
    };
    let policy = between("http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    let policy = policy
        .replace("&#x27;", "'")
        .replace("&#39;", "'")
        .replace("&#x2f;", "/");
    for text in [between("<style>", "</style>"), between("<script>", "</script>")] {
        let hash = source(&text);
        assert!(policy.contains(&hash), "{policy} {hash}");
    }
    assert!(
        policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"),
        "{policy}"
    );
}

#[test]
fn everything_that_a_run_left_behind_is_on_the_page() {
    let text = read(&html_report(&shapes())).texts.join("");
    for words in [
        "Triage of a suspicious download",
        "failed",
        "1 min 05 s",
        "2026-09-18 16:40:00 UTC",
        "0190f3a5-7c1e-7000-8000-000000000000",
        "What runs",
        "2 attempts",
        "1.2 s",
        "3 results, 4 rows",
        "2 timed out hosts",
        "1 failed host",
        "laptop-7",
        "offline when the query started",
        "build-03",
        "distributed query is denylisted",
        "answered late",
        "is not among the results",
        "東京のサーバー",
        "--a --very --long --tail",
        "value 13 of fourteen",
        "malicious",
        "{\"host\":\"b\"}",
        "is asleep",
        "no\nway",
        "log in",
        "4 items",
        "condition holds",
        "→ isolate",
        "the run was aborted",
        "b2",
        "auth",
        "the server refused the token\n  status 401",
        "check `api_token`",
        "not started",
    ] {
        assert!(text.contains(words), "{words}");
    }
}

#[test]
fn hostile_texts_stay_texts() {
    let harmless = read(&html_report(&everywhere("x")));
    for text in [
        "</script><script>alert(1)</script>",
        "</style><script>alert(1)</script>",
        "</title><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\" onfocus=alert(1) autofocus x=\"",
        "' onload='alert(1)",
        "<!--",
        "-->",
        "]]>",
        "<![CDATA[",
        "&lt;script&gt;",
        "&#60;script&#62;",
        "<svg/onload=alert(1)>",
        "{{ 7 * 7 }}{% raw %}",
        "javascript:alert(1)",
        "</table></details></section></main>",
        "\0<\0script>",
        HOSTILE,
        "photo_\u{202e}gnp.exe",
        "<plaintext>",
        "</textarea><noscript>",
        "<a href=\"http://evil.example\">",
    ] {
        let page = html_report(&everywhere(text));
        let read = read(&page);
        assert_eq!(read.faults, [""; 0], "{text}");
        assert_eq!(read.tags, harmless.tags, "{text}");
        assert!(read.texts.iter().any(|shown| *shown == visible(text)), "{text}");
        assert!(
            read.texts
                .iter()
                .all(|text| !text.contains(|c: char| c.is_control() && c != '\n'))
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_makes_a_tag_or_an_attribute(
        text in prop_oneof![any::<String>(), r#"[<>&"'/=a-c!\-\x00-\x20{}%#;\u{202e}]{0,40}"#],
    ) {
        // Neither empty nor a number nor one of the sample's own names: such texts rightly change the tags.
        let text = format!("~{text}");
        let harmless = read(&html_report(&everywhere("x")));
        let hostile = read(&html_report(&everywhere(&text)));
        prop_assert!(hostile.faults.is_empty(), "{:?}", hostile.faults);
        prop_assert_eq!(&hostile.tags, &harmless.tags);
        let shown = visible(&text);
        prop_assert!(hostile.texts.iter().any(|text| *text == shown), "{:?}", shown);
    }
}

#[test]
fn ten_thousand_rows_stay_usable() {
    let rows: Vec<Value> = (0..10_000)
        .map(|n| json!({"pid": n.to_string(), "name": "worker", "path": "/usr/lib/worker", "cmdline": format!("worker --shard {n}")}))
        .collect();
    let large = step(
        "large",
        StepStatus::Success,
        json!({"results": {"web-01": rows, "web-02": [{"pid": "1"}]}}),
    );
    let page = html_report(&report(RunStatus::Success, vec![large]));
    assert!(page.len() < 4 << 20, "{}", page.len());
    assert!(page.contains("2 results, 10,001 rows") && page.contains("10,000 rows"));
    // The large table is closed: opening the page lays out what is seen.
    let read = read(&page);
    let details: Vec<&String> = read.tags.iter().filter(|tag| tag.starts_with("<details")).collect();
    assert_eq!(details, ["<details class>", "<details class open>"]);
}
