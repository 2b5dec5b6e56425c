//! `playbook explain`, and whether the examples it shows are right.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use playbook_host::text::{Code, ExampleKind};
use serde_json::json;

use crate::command;
use crate::wrong_input::found;

/// A step whose params are these lines, and those they do not give.
pub(super) fn step(params: &[&str]) -> String {
    let mut text = "- id: users\n  type: osquery_live_query\n  params:\n".to_owned();
    let credentials = ["api_token", "username", "password"];
    let given = |key: &str| params.iter().any(|line| line.starts_with(&format!("{key}:")));
    for (key, value) in [
        ("backend", "fleetdm"),
        ("base_url", "https://fleet.example.com"),
        ("api_token", "\"{{ secrets.fleetdm_token }}\""),
        ("template", "logged_in_users"),
        ("target_hosts", "[web-01]"),
    ] {
        let instead = key == "api_token" && credentials.iter().any(|key| given(key));
        if !given(key) && !instead {
            writeln!(text, "    {key}: {value}").unwrap();
        }
    }
    params.iter().fold(text, |text, line| text + "    " + line + "\n")
}

#[tokio::test]
async fn explain_says_what_a_code_means() {
    let list = command::run(&["explain"], &[]).await;
    for code in Code::ALL {
        assert!(list.stdout.contains(&format!("{code} ")), "{code}: {}", list.stdout);
        let shown = command::run(&["explain", code.word()], &[]).await;
        assert_eq!(shown.code(), 0);
        assert!(
            shown.stdout.contains("Wrong") && shown.stdout.contains("Right"),
            "{}",
            shown.stdout
        );
    }
    let unknown = command::run(&["explain", "unknown-kye"], &[]).await;
    assert_eq!(unknown.code(), 2);
    assert!(
        unknown.stderr.contains("did you mean `unknown-key`?"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn each_code_has_a_word_of_its_own() {
    let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.word()).collect();
    assert_eq!(words.len(), Code::ALL.len());
    for code in Code::ALL {
        assert_eq!(Code::from_word(code.word()), Some(*code));
    }
}

#[test]
fn the_examples_of_an_explanation_are_what_they_say() {
    let alert = json!({"host": "web-01", "port": 22, "l": (0..400).map(|n| n.to_string()).collect::<Vec<_>>(), "many": (0..1_001).collect::<Vec<_>>()});
    let inputs = json!({
        "alert": alert,
        "vars": {"url": "https://fleet.example.com", "server": "https://fleet.example.com", "fleetdm": "https://fleet.example.com"},
        "secrets": {"fleetdm_token": "token-value", "fleetdm_password": "password-value"},
    });
    for code in Code::ALL {
        let explanation = code.explanation();
        let check = |lines: &[&str]| -> Option<Vec<Code>> {
            let text = lines.join("\n");
            let found = match explanation.shown {
                ExampleKind::Step => {
                    let text = step(&[]) + "  " + &lines.join("\n  ");
                    found("example.yaml", text.into_bytes(), Some(&inputs))
                }
                ExampleKind::Params => found("example.yaml", step(lines).into_bytes(), Some(&inputs)),
                ExampleKind::Playbook => found("example.yaml", text.into_bytes(), None),
                ExampleKind::Connector => found("example.yaml", text.into_bytes(), Some(&inputs)),
                ExampleKind::Alert => found("example.alert.json", text.into_bytes(), None),
                _ => return None,
            };
            Some(found.iter().map(playbook_host::text::Diagnostic::code).collect())
        };
        let Some(wrong) = check(explanation.wrong) else {
            continue;
        };
        assert!(wrong.contains(code), "the wrong example of {code} gives {wrong:?}");
        let right = check(explanation.right).unwrap();
        // A sketch of a playbook leaves out params.
        let sketch = explanation.shown == ExampleKind::Playbook && !right.contains(code);
        assert!(
            right.is_empty() || sketch,
            "the right example of {code} gives {right:?}"
        );
    }
}
