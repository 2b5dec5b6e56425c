use proptest::prelude::*;

use super::*;

fn vault(value: &str) -> Vault {
    Vault::new(Secrets::new([(
        "token".to_owned(),
        SecretString::from(value.to_owned()),
    )]))
}

#[test]
fn a_handle_becomes_its_value_escaped_for_its_place() {
    let vault = vault("a\"b\\c");
    let handle = vault.handle("token").unwrap();
    assert_eq!(
        vault.substitute(&format!("Bearer {handle}"), Place::Plain).unwrap(),
        "Bearer a\"b\\c"
    );
    let json = vault
        .substitute(&format!(r#"{{"token":"{handle}"}}"#), Place::Json)
        .unwrap();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["token"], "a\"b\\c");
}

#[test]
fn only_the_vault_that_made_a_handle_knows_it() {
    let (one, other) = (vault("first-value"), vault("other-value"));
    let handle = one.handle("token").unwrap();
    other.handle("token").unwrap();
    assert_eq!(other.substitute(&handle, Place::Plain), Err(UnknownHandle));
    assert_eq!(
        one.substitute(&handle[..handle.len() - 1], Place::Plain),
        Err(UnknownHandle)
    );
    assert_eq!(one.handle("absent"), None);
}

#[test]
fn a_secrets_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "token: value-1\nnumber: 12345").unwrap();
    std::fs::set_permissions(file.path(), PermissionsExt::from_mode(0o640)).unwrap();
    let refused = Secrets::from_file(file.path()).unwrap_err().to_string();
    assert!(refused.contains("chmod 600"), "{refused}");
    std::fs::set_permissions(file.path(), PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(
        Secrets::from_file(file.path()).unwrap().names().collect::<Vec<_>>(),
        ["number", "token"]
    );
}

#[test]
fn a_broken_secrets_file_is_explained_without_showing_its_text() {
    for text in [
        "token: [hunter2-value]",
        "token: 'hunter2-value",
        "- hunter2-value",
        "a: hunter2-value\na: hunter2-value",
        "hunter2-value",
    ] {
        let message = Secrets::parse(Source::new("secrets.yaml", text))
            .unwrap_err()
            .render(false);
        assert!(!message.contains("hunter2"), "{message}");
        assert!(message.contains("secrets.yaml"), "{message}");
    }
}

proptest! {
    #[test]
    fn no_spelling_of_a_secret_survives_redaction(value in "[ -~\u{e9}\n]{4,40}", before in "[a-z ]{0,9}") {
        let vault = vault(&value);
        let redactor = vault.redactor();
        let spellings = [
            value.clone(),
            Value::from(value.as_str()).to_string(),
            utf8_percent(&value),
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &value),
        ];
        for spelling in spellings {
            let shown = redactor.redact(&format!("{before}{spelling}")).into_owned();
            prop_assert!(shown.contains("[secret token]"), "{shown}");
        }
        let shown = format!("{vault:?}");
        prop_assert_eq!(shown, r#"Vault({"token"})"#);
    }

    #[test]
    fn substitution_changes_nothing_but_handles(text in "[ -~]{0,60}") {
        let vault = vault("some-value");
        prop_assume!(!Vault::contains_handle(&text));
        prop_assert_eq!(vault.substitute(&text, Place::Json).unwrap(), text);
    }
}

fn utf8_percent(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[test]
fn a_masked_text_names_its_secrets_and_shows_no_value() {
    let secrets = [("token", "S3cr3t-value"), ("word", "secret")];
    let secrets = secrets.map(|(name, value)| (name.to_owned(), SecretString::from(value.to_owned())));
    let vault = Vault::new(Secrets::new(secrets));
    let token = vault.handle("token").unwrap();
    let zeros = "0".repeat(32);
    for (text, masked) in [
        ("nothing to hide".to_owned(), "nothing to hide".to_owned()),
        (format!("Bearer {token}!"), "Bearer ‹secret token›!".to_owned()),
        (format!("{token}{token}"), "‹secret token›‹secret token›".to_owned()),
        ("it is S3cr3t-value".to_owned(), "it is [secret token]".to_owned()),
        (
            format!("{token} S3cr3t-value"),
            "‹secret token› [secret token]".to_owned(),
        ),
        // What is not a handle of this vault is a text like any other.
        (
            format!("secret-handle-{zeros} {token}"),
            format!("[secret word]-handle-{zeros} ‹secret token›"),
        ),
        ("secret-handle-".to_owned(), "[secret word]-handle-".to_owned()),
    ] {
        assert_eq!(vault.masked(&text), masked, "{text}");
    }
    assert_eq!(vault.named_in(&format!("a {token} b")), ["token"]);
    assert_eq!(vault.named_in("S3cr3t-value"), [""; 0]);
}

#[test]
fn a_token_that_a_server_gave_is_hidden_from_then_on() {
    let vault = vault("hunter2-and-more");
    let hidden = |text: &str| vault.redactor().redact(text).into_owned();
    assert_eq!(hidden("hunter2-and-more, session-1"), "[secret token], session-1");
    vault.capture("session", "session-1".into());
    assert_eq!(
        hidden("hunter2-and-more, session-1"),
        "[secret token], [secret session]"
    );
}
