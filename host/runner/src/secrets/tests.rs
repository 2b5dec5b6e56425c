use proptest::prelude::*;

use super::*;

/// A vault whose one secret has been resolved as a credential.
fn vault(value: &str) -> Vault {
    let vault = Vault::new(Secrets::new([("token".to_owned(), SecretString::from(value))]));
    let _ = vault.resolve("token", Use::Credential);
    vault
}

#[test]
fn a_handle_becomes_its_value_escaped_for_its_place() {
    let vault = vault("a\"b\\c");
    let handle = vault.handle("token").unwrap();
    assert_eq!(
        vault
            .substitute(&format!("Bearer {handle}"), Escaping::Plain)
            .unwrap()
            .as_str(),
        "Bearer a\"b\\c"
    );
    let json = vault
        .substitute(&format!(r#"{{"token":"{handle}"}}"#), Escaping::Json)
        .unwrap();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["token"], "a\"b\\c");
}

#[test]
fn only_the_vault_that_made_a_handle_knows_it() {
    let (one, other) = (vault("first-value"), vault("other-value"));
    let handle = one.handle("token").unwrap();
    other.handle("token").unwrap();
    assert_eq!(other.substitute(&handle, Escaping::Plain), Err(HandleRefused::Unknown));
    assert_eq!(
        one.substitute(&handle[..handle.len() - 1], Escaping::Plain),
        Err(HandleRefused::Unknown)
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
    let folder = Secrets::from_file(&std::env::temp_dir()).unwrap_err().to_string();
    assert!(!folder.contains("chmod"), "{folder}");
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
        prop_assume!(vault.warnings().is_empty());
        let spellings = [
            value.clone(),
            Value::from(value.as_str()).to_string(),
            utf8_percent(&value),
            url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
            url::Url::parse_with_params("http://h/", [("q", &value)]).unwrap().query().unwrap()[2..].to_owned(),
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
        let revealed = vault.substitute(&text, Escaping::Json).unwrap();
        prop_assert_eq!(revealed.as_str(), text);
    }
}

#[test]
fn a_secret_that_was_cut_off_is_not_shown_either() {
    let redactor = vault("S3cr3t-value-of-29-characters").redactor();
    for (text, shown) in [
        ("said S3cr3t-value-of-…", "said [secret token]…"),
        (
            "said S3cr3t-v…, and S3cr3t-value…",
            "said [secret token]…, and [secret token]…",
        ),
        // So little of it says nothing.
        ("said S3cr3t…", "said S3cr3t…"),
        ("said … S3cr3t-value-of-29-characters", "said … [secret token]"),
        ("nothing of it… at all", "nothing of it… at all"),
    ] {
        assert_eq!(redactor.redact(text), shown);
    }
}

fn utf8_percent(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[test]
fn a_masked_text_names_its_secrets_and_shows_no_value() {
    let vault = vault("S3cr3t-value");
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
        // What it is of is not known here.
        (
            format!("secret-handle-{zeros} {token}"),
            "[secret] ‹secret token›".to_owned(),
        ),
        ("secret-handle-".to_owned(), "[secret]".to_owned()),
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
    let call = vault.call(None);
    call.capture("session", "session-1".into()).unwrap();
    assert_eq!(
        hidden("hunter2-and-more, session-1"),
        "[secret token], [secret session]"
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a list of all that holds one")]
async fn the_debug_form_of_nothing_that_holds_a_secret_shows_it() {
    use crate::net::egress::Egress;
    use crate::net::{Grant, Identity, Network, Origin, Tls, Trust};
    use crate::poll::ConnectorInputs;
    use crate::sandbox::transcript::{Room, Tape};
    use crate::sandbox::wire::Wire;
    use crate::sandbox::{CallObserver, StepCall};
    use crate::{CancellationToken, Limits, RunInputs};
    const VALUE: &str = "hunter2-value";
    let value = || SecretString::from(VALUE);
    let text = format!("token: {VALUE}");
    let secrets = Secrets::new([("token".to_owned(), value())]);
    let vault = Vault::new(secrets.clone());
    let handle = vault.handle("token").unwrap();
    let secrets_of_call = vault.call(Some("http://127.0.0.1:9".into()));
    secrets_of_call
        .capture("session", format!("{VALUE}-of-a-session"))
        .unwrap();
    let grant = Grant {
        origin: Origin::of("http://127.0.0.1:9").unwrap(),
        tls: Tls {
            trust: Trust::Platform,
            identity: Some(Identity::new(VALUE.into())),
        },
    };
    let call = StepCall {
        step_type: "ask".into(),
        params: serde_json::json!({"token": handle}),
        vault: vault.clone(),
        sessions: crate::net::Sessions::default(),
        grant: Some(std::sync::Arc::new(grant.clone())),
        timeout: None,
        cancel: CancellationToken::new(),
        events: CallObserver::ignore(),
    };
    let connector = ConnectorInputs {
        secrets: secrets.clone(),
        vars: serde_json::Map::new(),
        directory: ".".into(),
        format: None,
    };
    // A tape has what the server said, before it was searched.
    let tape = Tape::new(Room::default());
    let socket = tape.socket("/socket", &[]);
    socket.received(&Ok(vec![VALUE.to_owned()]));
    let network = Network::default();
    let ends = tokio::time::Instant::now();
    let plain = Grant {
        tls: Tls::default(),
        ..grant.clone()
    };
    let limits = Limits::default();
    let budget = crate::limits::CallBudget::alone(&limits);
    let egress = Egress::new(
        &network,
        &plain,
        secrets_of_call.clone(),
        &call.sessions,
        &limits,
        &budget,
        ends,
    )
    .unwrap();
    let broken = Secrets::parse(Source::new("secrets.yaml", format!("{text}\n- {VALUE}"))).unwrap_err();
    let odd = Secrets::parse(Source::new("secrets.yaml", format!("to-ken: {VALUE}"))).unwrap_err();
    let refused = "op".parse::<SecretsCommand>().unwrap();
    let tables: [(&str, &dyn fmt::Debug); 22] = [
        ("secrets", &secrets),
        ("vault", &vault),
        ("redactor", &vault.redactor()),
        (
            "a revealed text's error",
            &vault.substitute("secret-handle-", Escaping::Plain),
        ),
        ("inputs of a run", &RunInputs::new(secrets.clone())),
        ("inputs of a connector", &connector),
        ("call", &call),
        ("grant", &grant),
        ("tls", &grant.tls),
        ("identity", &grant.tls.identity),
        ("network", &network),
        ("policy", network.policy()),
        ("wire", &Wire::live(egress.clone()).taped(Some(tape.clone()))),
        ("tape", &tape),
        ("tape of a socket", &socket),
        ("file", &Source::new("secrets.yaml", text.as_str())),
        ("what is wrong with a file", &broken),
        ("what is wrong with a name", &odd),
        (
            "command",
            &format!("op --password {VALUE}").parse::<SecretsCommand>().unwrap(),
        ),
        (
            "what is wrong with a command",
            &refused.secrets(&["token".into()]).await.map(drop),
        ),
        ("secrets of a call", &secrets_of_call),
        ("ledger", vault.ledger()),
    ];
    for (what, debug) in tables {
        let shown = format!("{debug:?} {debug:#?}");
        assert!(!shown.contains("hunter2"), "{what}: {shown}");
        // A list of bytes is a spelling, too.
        assert!(!shown.contains("104, 117, 110, 116"), "{what}: {shown}");
    }
}
