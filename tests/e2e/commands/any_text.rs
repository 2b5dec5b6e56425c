//! Whatever the text, reading it ends in a value or in problems that can be shown.

use playbook_host::language::parse_alert;
use playbook_host::poll::Connector;
use playbook_host::text::Source;
use playbook_host::{Diagnostics, Playbook};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::wrong_input::{problems, records};

/// Lines that look like a playbook, put together at random.
fn yaml_like() -> impl Strategy<Value = String> {
    let words = vec![
        "steps:",
        "- id: a",
        "  type: osquery_live_query",
        "  params:",
        "    template_params: {limit: 1}",
        "    backend: fleetdm",
        "connector: fleetdm",
        "name: a",
        "config:",
        "  base_url: https://x",
        "{{ alert.host }}",
        "\"{{ alrt",
        "{% if",
        "%}",
        "}}",
        "&a",
        "*a",
        "<<: *a",
        "!!str",
        "!x",
        "|",
        ">-",
        "? a",
        ": b",
        "---",
        "...",
        "%YAML 1.2",
        "# c",
        "'",
        "\"",
        "[",
        "]",
        "{",
        "}",
        ",",
        "-",
        "\t",
        "\u{e9}\u{1f600}",
        "\u{85}",
        "\u{feff}",
        "\r\n",
        "\\u00e9",
        "~",
        "- ",
        "secrets.x",
        "| upper",
        "${A}",
        "steps.a-b",
    ];
    let word = prop::sample::select(words);
    let blank = prop::sample::select(vec!["\n", " ", "\n  ", "\n    ", ""]);
    prop::collection::vec((word, blank), 0..30).prop_map(|parts| {
        let parts = parts.into_iter().flat_map(|(word, blank)| [word, blank]);
        parts.collect::<String>()
    })
}

/// Reads a text as everything it could be, and shows what is found.
fn exercise(name: &str, text: &str) {
    let shown = |problems: Diagnostics| {
        let text = problems.render(false);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        problems.render(true);
        problems.sarif();
        records(&problems);
    };
    let inputs = json!({"alert": {"host": "a"}, "secrets": {"x": "value"}, "vars": {}});
    problems(Source::new(name, text), Some(&inputs)).map_err(shown).ok();
    Playbook::parse(name, text).map(drop).map_err(shown).ok();
    Connector::parse(name, text).map(drop).map_err(shown).ok();
    parse_alert(Source::new(name, text)).map(drop).map_err(shown).ok();
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        match Source::from_bytes("bytes.yaml", bytes) {
            Ok(source) => exercise("bytes.yaml", source.text()),
            Err(problems) => {
                problems.render(true);
            }
        }
    }

    #[test]
    fn no_text_makes_reading_panic(text in any::<String>()) {
        exercise("text.yaml", &text);
        exercise("text.json", &text);
    }

    #[test]
    fn nothing_like_yaml_makes_reading_panic(text in yaml_like()) {
        exercise("like.yaml", &text);
        exercise("like.json", &text);
    }

    #[test]
    fn no_value_of_a_param_makes_checking_panic(text in yaml_like(), key in "[a-z_~/]{0,8}") {
        let params = Map::from_iter([(key, Value::from(text.clone())), ("target_hosts".to_owned(), json!([text]))]);
        let playbook = json!([{"id": "a", "type": "osquery_live_query", "params": params}]);
        exercise("value.yaml", &playbook.to_string());
        exercise("value.json", &format!("{playbook:#}"));
    }
}
