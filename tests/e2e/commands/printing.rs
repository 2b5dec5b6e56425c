//! Whatever the words of others hold, the terminal shows them and obeys none of them, and no secret is among them.

use std::path::Path;

use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::command::{Finished, finish, playbook, run};
use crate::poll::polled::{Polled, TOKEN};

/// Styles, a new title, a clipboard, C1, direction, and a line of its own.
const HOSTILE: &str = "x\u{1b}[31m\u{1b}]0;t\u{7}\u{1b}]52;c;eA==\u{1b}\\\u{9b}2J\u{202e}\u{200b}\r\nerror: forged";

/// What of it may be in no output, not even where styles are shown.
fn assert_harmless(what: &str, done: &Finished) {
    for (stream, text) in [("stdout", &done.stdout), ("stderr", &done.stderr)] {
        let shown = format!("{what}: {stream}: {text:?}");
        let hidden = |c: char| c.is_control() && c != '\n' || "\u{202e}\u{200b}".contains(c);
        assert!(!text.contains(hidden), "{shown}");
        assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{shown}");
    }
}

async fn hostile_server() -> MockServer {
    let server = MockServer::start().await;
    let answer = |request: &Request| {
        let sent = request
            .headers
            .get("authorization")
            .map_or("", |value| value.to_str().unwrap());
        ResponseTemplate::new(500).set_body_json(json!({"message": format!("{sent} {HOSTILE}"), "errors": [
            {"name": "base", "reason": format!("{HOSTILE} Authorization: {sent}")},
        ]}))
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

#[tokio::test]
async fn a_server_that_repeats_what_it_was_sent_makes_no_command_print_a_secret_or_obey() {
    let server = hostile_server().await;
    for (connector, more) in [("fleetdm", json!({})), ("osctrl", json!({"environment": "production"}))] {
        let polled = Polled::new(connector, &server.uri(), &more, &json!({}));
        let (file, state) = (polled.path("connector.yaml"), polled.path("state"));
        let (file, state) = (file.to_str().unwrap(), state.to_str().unwrap());
        for args in [
            &["poll", file, "--once", "--state", state, "-v"][..],
            &["check", file],
            &["check", file, "--output", "json"],
            &["check", file, "-vvv"],
        ] {
            let done = run(args, &[("token", TOKEN)]).await;
            assert_eq!(done.code(), 1, "{}", done.stderr);
            assert_harmless(&args.join(" "), &done);
            assert!(!format!("{}{}", done.stdout, done.stderr).contains(TOKEN));
        }
    }
}

#[tokio::test]
async fn names_and_arguments_act_on_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let named = |name: &str| folder.path().join(format!("{name}{}", HOSTILE.replace('/', "")));
    let [good, bad, pair] = ["good.yaml", "bad.yaml", "pair"].map(named);
    std::fs::write(&good, "- {id: a, type: condition, condition: {expression: 'true'}}\n").unwrap();
    std::fs::write(&bad, format!("- {{id: a, type: {HOSTILE:?}}}\n")).unwrap();
    let (good, bad, pair) = (good.to_str().unwrap(), bad.to_str().unwrap(), pair.to_str().unwrap());
    let param = format!("limit={HOSTILE}");
    let option = format!("--{HOSTILE}");
    let commands: &[&[&str]] = &[
        &["validate", good],
        &["validate", bad],
        &["validate", bad, "--output", "json"],
        &["validate", bad, "--output", "sarif"],
        &["run", bad],
        &["run", good, "--var", HOSTILE],
        &["run", good, "--only", HOSTILE],
        &["run", good, "--allow-origin", HOSTILE],
        &["run", good, "--policy", pair],
        &["run", good, "--lock", pair],
        &["run", good, "--plugin", pair],
        &["run", good, "--alert", pair],
        &["run", good, "--secrets", pair],
        &["run", good, "--secrets-command", HOSTILE],
        &["run", good, "--report", "/nowhere\u{1b}[31m/\u{202e}x"],
        &["run", good, "--output", HOSTILE],
        &["run", good, &option],
        &["run", good, "--record", pair],
        &["test", good],
        &["show", pair],
        &["replay", pair],
        &["explain", HOSTILE],
        &["schema", HOSTILE],
        &["templates", HOSTILE],
        &["templates", "running_processes", "--param", &param],
        &["plugin", "inspect", pair],
        &["plugin", "lock", pair],
        &["completions", HOSTILE],
        &["poll", good, "--sink", HOSTILE],
        &["check", pair],
        &[HOSTILE],
    ];
    for args in commands {
        // Not through `run`, which looks for secrets.
        let done = finish(playbook(args, &[]).spawn().unwrap()).await;
        assert_harmless(&format!("{args:?}"), &done);
        assert!(!done.stderr.is_empty() || !done.stdout.is_empty(), "{args:?}");
    }
}

#[tokio::test]
async fn no_url_is_printed_with_its_password() {
    let polled = Polled::new("fleetdm", "https://fleet.example.com", &json!({}), &json!({}));
    for url in [
        "https://user:hunter2-pw@exa mple.com/",
        "https://user:hunter2-pw@example.com:port/",
        "ftp://user:hunter2-pw@example.com/?token=hunter2-pw",
        "http://user:hunter2-pw@192.0.2.1/",
        "nothing://hunter2-pw@",
    ] {
        let flag = format!("--sink{url}");
        for more in [
            &["--sink", url][..],
            &["--allow-origin", url],
            &["--metrics", url],
            &[&flag],
        ] {
            let done = finish(polled.command(more).spawn().unwrap()).await;
            assert_eq!(done.code(), 2, "{more:?}: {}", done.stderr);
            assert!(!done.stderr.contains("hunter2"), "{more:?}: {}", done.stderr);
        }
        let connector = Polled::new("fleetdm", url, &json!({}), &json!({}));
        let file = connector.path("connector.yaml");
        let done = run(
            &["check", file.to_str().unwrap(), "--output", "json"],
            &[("token", TOKEN)],
        )
        .await;
        assert_eq!(done.code(), 2, "{}", done.stderr);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_is_in_no_core_dump() {
    let mut child = playbook(&["run", "playbook.yaml", "--alert", "-"], &[]);
    let mut child = child.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let limits = Path::new("/proc").join(child.id().unwrap().to_string()).join("limits");
    let core = loop {
        let limits = std::fs::read_to_string(&limits).unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap();
        let core: Vec<String> = core.split_whitespace().map(str::to_owned).collect();
        if core[5] == "0" || child.try_wait().unwrap().is_some() {
            break core;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    assert_eq!(core[4..6], ["0", "0"]);
    child.kill().await.unwrap();
}
