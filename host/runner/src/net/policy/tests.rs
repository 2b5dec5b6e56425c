use super::*;

fn origin(url: &str) -> Origin {
    Origin::of(url).unwrap()
}

fn read(text: &str) -> (Result<Policy, Diagnostics>, Limits) {
    let mut limits = Limits::default();
    let policy = Policy::read(Source::new("policy.yaml", text), &mut limits);
    (policy, limits)
}

#[test]
fn without_a_policy_servers_are_reached_over_https_and_this_machine_also_over_http() {
    let policy = Policy::default();
    for url in [
        "https://fleet.example.com",
        "https://10.0.0.1:8443",
        "http://127.0.0.1:8080",
        "http://127.1",
        "http://[::1]:8080",
        "http://[::ffff:127.0.0.1]",
        "http://localhost",
        "http://fleet.localhost:3000",
    ] {
        assert_eq!(policy.check(&origin(url)), Ok(()), "{url}");
    }
    for url in [
        "http://fleet.example.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://xlocalhost",
    ] {
        let refused = policy.check(&origin(url));
        assert!(
            matches!(refused, Err(PolicyError::Unencrypted { .. })),
            "{url}: {refused:?}"
        );
    }
    for url in [
        "https://169.254.169.254",
        "https://2852039166",
        "https://0xA9.0xFE.0xA9.0xFE",
        "https://[::ffff:a9fe:a9fe]",
        "https://[fd00:ec2::254]",
        "http://0",
        "http://[::]",
    ] {
        let refused = policy.check(&origin(url));
        assert!(
            matches!(refused, Err(PolicyError::Address { .. })),
            "{url}: {refused:?}"
        );
    }
}

#[test]
fn an_operator_narrows_and_widens() {
    let text = "allow_origins: [https://fleet.example.com/, 'http://10.0.0.5:8080']\nallow_http: true\nlimits: {requests: 7, body_mib: 2}";
    let (policy, limits) = read(text);
    let mut policy = policy.unwrap();
    assert_eq!((limits.requests, limits.body, limits.memory), (7, 2 << 20, 64 << 20));
    let may = |policy: &Policy, url: &str| policy.check(&origin(url)).is_ok();
    assert!(may(&policy, "https://FLEET.example.com:443/x") && may(&policy, "http://10.0.0.5:8080"));
    for url in [
        "http://fleet.example.com",
        "https://fleet.example.com:8443",
        "https://example.com",
    ] {
        assert!(!may(&policy, url), "{url}");
    }
    // The command line narrows what the file allows, and adds nothing.
    policy.narrow(vec![
        origin("https://fleet.example.com"),
        origin("https://other.example.com"),
    ]);
    assert!(may(&policy, "https://fleet.example.com"));
    assert!(!may(&policy, "https://other.example.com") && !may(&policy, "http://10.0.0.5:8080"));

    let (policy, _) = read("deny_private: true\nallow_addresses: [10.20.0.0/16, 169.254.10.7]");
    let policy = policy.unwrap();
    for url in [
        "https://10.20.3.4",
        "https://169.254.10.7",
        "https://[::ffff:10.20.0.1]",
        "https://1.1.1.1",
    ] {
        assert!(may(&policy, url), "{url}");
    }
    for url in [
        "https://10.21.0.1",
        "https://169.254.169.254",
        "https://127.0.0.1",
        "https://[fd00::1]",
    ] {
        assert!(!may(&policy, url), "{url}");
    }
    let (none, _) = read("allow_origins: []");
    assert!(!may(&none.unwrap(), "https://fleet.example.com"));
}

#[test]
fn a_name_of_this_machine_leads_to_this_machine() {
    let policy = Policy::default();
    let address = |text: &str| text.parse().unwrap();
    assert!(policy.check_address("localhost", address("127.0.0.1")).is_ok());
    assert!(policy.check_address("fleet.localhost.", address("10.0.0.1")).is_err());
    assert!(policy.check_address("fleet.example.com", address("10.0.0.1")).is_ok());
}

#[test]
fn each_mistake_in_a_policy_file_has_its_place() {
    let text = "allow_origins:\n  - fleet.example.com\nallow_addresses: [10.0.0.0/99]\ndeny_privat: true\nlimits: {requests: 0}\n";
    let found = read(text).0.unwrap_err();
    let mut places: Vec<_> = found
        .iter()
        .map(Diagnostic::record)
        .map(|found| (found.line, found.code.word()))
        .collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            (Some(2), "invalid-value"),
            (Some(3), "invalid-value"),
            (Some(4), "unknown-key"),
            (Some(5), "out-of-range")
        ]
    );
}

#[test]
fn what_leaves_this_machine_is_encrypted_whatever_the_address_carries() {
    for (host, stays) in [
        ("127.0.0.1", true),
        ("127.9.9.9", true),
        ("[::1]", true),
        ("[::ffff:127.0.0.1]", true),
        ("localhost", true),
        ("[64:ff9b::7f00:1]", false),
        ("[2002:7f00:1::]", false),
        ("[::ffff:0:7f00:1]", false),
        ("[::7f00:1]", false),
        ("[64:ff9b::808:808]", false),
        ("10.0.0.5", false),
        ("localhost.example.com", false),
    ] {
        let origin = Origin::of(&format!("http://{host}:8080")).unwrap();
        assert_eq!(Policy::default().check(&origin).is_ok(), stays, "{host}");
    }
}
