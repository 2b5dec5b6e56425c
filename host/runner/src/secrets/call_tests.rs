//! What a call can do with its handles, and what its server's answers show it.

use serde_json::{Value, json};

use super::*;
use crate::secrets::admission::KeptNames;

const ORIGIN: &str = "https://one.example";
const TOKEN: &str = "S3cr3t-of-one";

fn vault() -> Vault {
    let secrets = [
        ("one", TOKEN),
        ("two", "S3cr3t-of-two"),
        ("token", "S3cr3t-named-token"),
    ];
    Vault::new(Secrets::new(
        secrets.map(|(name, value)| (name.to_owned(), value.into())),
    ))
}

/// The secrets of a call, and what it got for `one`.
fn call(vault: &Vault, origin: &str) -> (CallSecrets, String) {
    let placeholder = Value::from(vault.handle("one").unwrap());
    let call = vault.call(Some(origin.to_owned()));
    let handle = call.enter(&placeholder).as_str().unwrap().to_owned();
    (call, handle)
}

#[test]
fn a_handle_belongs_to_one_call_and_to_the_server_it_was_granted() {
    let vault = vault();
    let ((one, handle), (again, other)) = (call(&vault, ORIGIN), call(&vault, ORIGIN));
    let (elsewhere, foreign) = call(&vault, "https://two.example");
    let reveal = |call: &CallSecrets, handle: &str, origin: &str| {
        let revealed = call.reveal(&format!("Bearer {handle}"), Escaping::Plain, origin);
        revealed.map(|text| text.to_string())
    };
    assert_eq!(reveal(&one, &handle, ORIGIN), Ok(format!("Bearer {TOKEN}")));
    // The same each time in one call, and in each call another.
    assert_eq!(
        one.enter(&vault.handle("one").unwrap().into()),
        Value::from(handle.as_str())
    );
    assert_eq!(
        [&handle, &other, &foreign]
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        3
    );
    for (call, handle, origin) in [
        (&again, &handle, ORIGIN),
        (&one, &other, ORIGIN),
        (&elsewhere, &handle, "https://two.example"),
        (&one, &foreign, ORIGIN),
    ] {
        assert_eq!(reveal(call, handle, origin), Err(HandleRefused::Unknown));
    }
    assert_eq!(reveal(&one, &handle, "https://two.example"), Err(HandleRefused::Origin));
    // What stands in rendered params is no handle of any call.
    let placeholder = vault.handle("one").unwrap();
    assert_eq!(reveal(&one, &placeholder, ORIGIN), Err(HandleRefused::Unknown));
    // Nor is anything that looks like one.
    for made_up in [
        &handle[..handle.len() - 1],
        &format!("secret-handle-{}", "0".repeat(32)),
        "secret-handle-",
    ] {
        assert_eq!(reveal(&one, made_up, ORIGIN), Err(HandleRefused::Unknown), "{made_up}");
    }
    // A call without a server gives nothing to anybody.
    let offline = vault.call(None);
    let handle = offline.enter(&placeholder.into());
    assert_eq!(
        reveal(&offline, handle.as_str().unwrap(), ORIGIN),
        Err(HandleRefused::Origin)
    );
}

#[test]
fn what_a_server_gave_is_in_no_namespace_of_playbooks() {
    let vault = vault();
    let one = vault.call(Some(ORIGIN.into()));
    let captured = one.capture("token", "session-of-one".into()).unwrap();
    vault.hide("two", "a-password-in-the-playbook");
    // The names are those of secrets, whichever of them came first.
    for (name, value) in [("token", "S3cr3t-named-token"), ("two", "S3cr3t-of-two")] {
        let placeholder = vault.handle(name).unwrap();
        assert_eq!(vault.substitute(&placeholder, Escaping::Plain).unwrap().as_str(), value);
        let two = vault.call(Some("https://two.example".into()));
        let handle = two.enter(&placeholder.into());
        let revealed = two.reveal(handle.as_str().unwrap(), Escaping::Plain, "https://two.example");
        assert_eq!(revealed.unwrap().as_str(), value);
        assert_eq!(
            two.reveal(&captured, Escaping::Plain, "https://two.example"),
            Err(HandleRefused::Unknown)
        );
    }
    assert_eq!(vault.used(), ["token", "two"]);
    assert_eq!(
        vault.redactor().redact("session-of-one a-password-in-the-playbook"),
        "[secret token] [secret two]"
    );
}

#[test]
fn a_call_captures_few_tokens_and_none_that_could_not_be_hidden() {
    let call = vault().call(Some(ORIGIN.into()));
    for weak in ["abc", "12345", "aaaaaaaaaa", "password", "results", "timed_out"] {
        let refused = call.capture("token", weak.into());
        assert!(matches!(refused, Err(CaptureRefused::Weak(_))), "{weak}: {refused:?}");
    }
    assert_eq!(call.capture("token", "x1".repeat(9_000)), Err(CaptureRefused::TooLarge));
    for at in 6..16 {
        call.capture("token", format!("session-{at}")).unwrap();
    }
    assert_eq!(call.capture("token", "session-17".into()), Err(CaptureRefused::TooMany));
}

#[test]
fn an_answer_shows_a_plugin_handles_in_the_place_of_values() {
    let vault = vault();
    let (call, handle) = call(&vault, ORIGIN);
    let session = call.capture("session", "se\"ssion-1".into()).unwrap();
    vault.handle("two").unwrap();
    let conceal = |answer: &str| call.conceal_text(answer.to_owned());
    assert_eq!(
        conceal(r#"{"sent": "Bearer S3cr3t-of-one", "session": "se\"ssion-1", "\u0053\u0033cr3t-of-two": 1}"#),
        format!(r#"{{"sent": "Bearer {handle}", "session": "{session}", "[secret two]": 1}}"#)
    );
    assert_eq!(conceal("not JSON: S3cr3t-of-one"), format!("not JSON: {handle}"));
    assert_eq!(conceal("{\"no\": \"secret\"}"), "{\"no\": \"secret\"}");
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "Bearer S3cr3t-of-one");
    assert!(conceal(&format!("[\"{encoded}\"]")).contains(&handle));
    // Across the texts of a document stands no secret, but what looks like one goes all the same.
    assert!(!conceal(r#"["S3cr3t-of-","one"] S3cr3t-of-one"#).contains(TOKEN));
}

#[test]
fn only_what_a_run_resolved_is_searched_for_and_no_name_is_changed() {
    let secrets = [
        ("unused", "web-01.example"),
        ("db_user", "root"),
        ("user", "mysql"),
        ("password", "changeme"),
        ("column", "pid_of_it"),
        ("digit", "7"),
        ("strong", "x7-Pq2!z"),
    ];
    let vault = Vault::new(Secrets::new(
        secrets.map(|(name, value)| (name.to_owned(), value.into())),
    ));
    vault.keep_names(["my pid_of_it column".to_owned()]);
    let row =
        json!({"user": "root", "host": "web-01.example", "pid_of_it": 7, "name": "mysql", "note": "changeme x7-Pq2!z"});
    assert_eq!(vault.redactor().redact_json(row.clone()), row);
    for name in ["db_user", "user", "digit"] {
        vault.resolve(name, Use::Other).unwrap();
    }
    for name in ["password", "column", "strong"] {
        vault.resolve(name, Use::Credential).unwrap();
    }
    let mut expected = row.clone();
    expected["note"] = "changeme [secret strong]".into();
    assert_eq!(vault.redactor().redact_json(row), expected);
    let warnings = vault.warnings();
    assert_eq!(warnings.len(), 5, "{warnings:?}");
    assert!(
        warnings
            .iter()
            .all(|warning| !warning.contains("mysql") && !warning.contains("changeme")),
        "{warnings:?}"
    );
}

#[test]
fn a_credential_that_nobody_could_hide_is_refused() {
    let names = KeptNames::default();
    for (value, other, credential) in [
        ("abc", false, true),
        ("7", false, true),
        ("12345", false, true),
        ("1234567", false, false),
        ("root", false, false),
        ("abcdefgh", false, false),
        ("Ab3!", false, false),
        (&"x1".repeat(32 << 10), false, false),
        (&"x1".repeat((32 << 10) + 1), true, true),
    ] {
        for (used, refused) in [(Use::Other, other), (Use::Credential, credential)] {
            let judged = names.judge(value, used);
            assert_eq!(
                judged.is_err_and(|weakness| weakness.refuses(used)),
                refused,
                "{value:.20} {used:?}"
            );
        }
    }
}
