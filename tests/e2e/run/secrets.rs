//! Where secrets come from.

use std::time::Duration;

use serde_json::json;
use sim::fleet::{Fleet, FleetServer, User};

use crate::command::{Finished, finish, playbook, run};
use crate::one_step::{self, HOST, TOKEN, host};

/// Runs a playbook whose token is a secret, with these arguments.
async fn ask(server: &FleetServer, args: &[&str], secrets: &[(&str, &str)]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let playbook = one_step::write(folder.path(), &json!({"base_url": server.url()}), &json!({}));
    let done = run(&[&["run", &playbook], args].concat(), secrets).await;
    // The token is not among `secrets` where a command gives it.
    assert!(!done.stdout.contains(TOKEN) && !done.stderr.contains(TOKEN), "{done:?}");
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gives_secrets_one_by_one_or_all_and_what_it_says_is_not_shown() {
    let server = one_step::fleet(vec![host(HOST)]).await;
    // `env` finds the others without a PATH of its own.
    let each = format!("/bin/sh -c 'test \"$0\" = token && echo {TOKEN}' {{name}}");
    let all = format!("/bin/echo 'token: {TOKEN}'");
    // What a shell would act on is printed, as a comment.
    let signs = format!("/bin/echo 'token: {TOKEN} #' && false || $(exit 1) > /nowhere/at-all");
    for command in [&each, &all, &signs] {
        let done = ask(&server, &["--secrets-command", command], &[]).await;
        assert_eq!(done.code(), 0, "{command}: {}{}", done.stdout, done.stderr);
    }
    // What is in the environment is not looked up.
    let done = ask(
        &server,
        &["--secrets-command", "/bin/false {name}"],
        &[("token", TOKEN)],
    )
    .await;
    assert_eq!(done.code(), 0, "{}{}", done.stdout, done.stderr);

    let before = server.requests().len();
    for (command, words) in [
        (
            format!("/bin/sh -c 'echo {TOKEN}; exit 3' {{name}}"),
            "failed for `token`: exit status: 3",
        ),
        ("/nowhere/op read {name}".into(), "cannot be run"),
        ("/bin/true {name}".into(), "printed nothing"),
        (format!("/bin/echo [{TOKEN}]"), "must be a map of names to values"),
        ("/bin/echo 'other: x'".into(), "there is no secret `token`"),
        ("/bin/echo 'open".into(), "a quote is not closed"),
        (
            "/bin/sh -c 'yes | head -c 2000000' {name}".into(),
            "more than a mebibyte",
        ),
    ] {
        let done = ask(&server, &["--secrets-command", &command], &[]).await;
        assert_eq!(done.code(), 2, "{command}: {}", done.stderr);
        assert!(done.stderr.contains(words), "{command}: {}", done.stderr);
    }
    let done = ask(&server, &["--secrets-keyring", "playbook-test-of-nothing"], &[]).await;
    assert_eq!(done.code(), 2, "{}", done.stderr);
    assert!(done.stderr.contains("has no readable `token`"), "{}", done.stderr);
    assert_eq!(server.requests().len(), before);
}

#[cfg(unix)]
#[tokio::test]
async fn the_command_for_secrets_gets_no_other_secrets_and_no_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = one_step::write(folder.path(), &json!({"base_url": "http://127.0.0.1:9"}), &json!({}));
    let seen = folder.path().join("seen");
    let command = format!(
        "/bin/sh -c '(/usr/bin/env; /bin/cat) > {}; echo a-token' {{name}}",
        seen.display()
    );
    let mut command = playbook(
        &["run", &file, "--secrets-command", &command, "--dry-run"],
        &[("other", "a-secret-for-others")],
    );
    command
        .env("FOR_THE_COMMAND", "yes")
        .stdin(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stdin = child.stdin.take();
    let done = tokio::time::timeout(Duration::from_secs(30), finish(child)).await;
    drop(stdin);
    assert_eq!(done.expect("it waits for no input").code(), 0);
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(
        seen.contains("FOR_THE_COMMAND=yes") && !seen.contains("PLAYBOOK_SECRET_"),
        "{seen}"
    );
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_the_command_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = one_step::write(folder.path(), &json!({"base_url": "http://127.0.0.1:9"}), &json!({}));
    let pid_file = folder.path().join("pid");
    let command = format!("/bin/sh -c 'echo $$ > {}; exec sleep 600' {{name}}", pid_file.display());
    let child = playbook(&["run", &file, "--secrets-command", &command], &[])
        .spawn()
        .unwrap();
    let pid = loop {
        match std::fs::read_to_string(&pid_file) {
            Ok(pid) if pid.ends_with('\n') => break pid.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let kill = |signal: &str, pid: &str| std::process::Command::new("kill").args([signal, pid]).output().unwrap();
    assert!(kill("-INT", &child.id().unwrap().to_string()).status.success());
    let done = finish(child).await;
    assert_eq!(done.code(), 130, "{}", done.stderr);
    assert!(done.stderr.contains("nothing was sent"), "{}", done.stderr);
    while kill("-0", &pid).status.success() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn however_much_is_said_no_secret_is() {
    let fleet = Fleet {
        users: vec![User {
            email: "soc@corp.example".into(),
            password: "pa\"ss/word + hunter2".into(),
        }],
        hosts: vec![host(HOST)],
        ..Fleet::default()
    };
    let server = FleetServer::start(fleet).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let login = json!({"base_url": server.url(), "username": "soc@corp.example", "password": "{{ secrets.password }}"});
    let playbook = one_step::write(folder.path(), &login, &json!({}));
    let text = std::fs::read_to_string(&playbook).unwrap();
    let mut steps: serde_json::Value = serde_json::from_str(&text).unwrap();
    steps[0]["params"].as_object_mut().unwrap().remove("api_token");
    std::fs::write(&playbook, steps.to_string()).unwrap();
    for args in [
        &["-vvvv"][..],
        &["-vvvv", "--output", "json"],
        &["-vvvv", "--output", "ndjson"],
    ] {
        let args = [&["run", &playbook], args].concat();
        let done = run(&args, &[("password", "pa\"ss/word + hunter2")]).await;
        assert_eq!(done.code(), 0, "{}{}", done.stdout, done.stderr);
        for said in [&done.stdout, &done.stderr] {
            assert!(!said.contains("hunter2") && !said.contains("session-token-"), "{said}");
        }
        assert!(done.stderr.contains("DEBUG"), "{}", done.stderr);
    }
}

/// The command, without a search for its secrets in what it prints.
fn spawn(args: &[&str], secrets: &[(&str, &str)]) -> tokio::process::Child {
    playbook(args, secrets).spawn().unwrap()
}

/// A secret that is there and that no step uses is a word like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_no_step_uses_changes_nothing_and_a_weak_one_is_warned_about() {
    let server = one_step::fleet(vec![host(HOST)]).await;
    let secrets = [
        ("token", TOKEN),
        ("db_user", "root"),
        ("column", "user"),
        ("host", HOST),
        ("kind", "success"),
    ];
    let done = ask(&server, &["--output", "json"], &secrets).await;
    assert_eq!(done.code(), 0, "{}{}", done.stdout, done.stderr);
    let row = &done.report()["steps"][0]["result"]["results"][HOST][0];
    assert_eq!(
        (&row["user"], &row["host"]),
        (&json!("root"), &json!(HOST)),
        "{}",
        done.stdout
    );
    assert!(
        !done.stdout.contains("[secret") && !done.stderr.contains("warning"),
        "{done:?}"
    );

    // A user's name that is used may be a secret, too, and cannot be hidden.
    let folder = tempfile::tempdir().unwrap();
    let login =
        json!({"base_url": server.url(), "username": "{{ secrets.db_user }}", "password": "{{ secrets.password }}"});
    let playbook = one_step::write(folder.path(), &login, &json!({}));
    let text = std::fs::read_to_string(&playbook).unwrap();
    let mut steps: serde_json::Value = serde_json::from_str(&text).unwrap();
    steps[0]["params"].as_object_mut().unwrap().remove("api_token");
    std::fs::write(&playbook, steps.to_string()).unwrap();
    let child = spawn(&["run", &playbook], &[("db_user", "root"), ("password", "x7-Pq2!z")]);
    let done = finish(child).await;
    let warning = "the value of the secret `db_user` is a common word: it is not searched for in what is shown";
    assert_eq!(done.stderr.matches(warning).count(), 1, "{}", done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_cannot_be_hidden_is_refused() {
    let server = one_step::fleet(vec![host(HOST)]).await;
    let before = server.requests().len();
    let long = "x1".repeat((32 << 10) + 1);
    for (token, words) in [
        ("abc", "has fewer than 4 bytes"),
        ("12345", "has fewer than 6 digits"),
        (&*long, "has 65538 bytes, and may have 65536"),
    ] {
        let done = ask(&server, &[], &[("token", token)]).await;
        assert_eq!(done.code(), 2, "{}{}", done.stdout, done.stderr);
        assert!(
            done.stderr
                .contains(&format!("the value of the secret `token` {words}")),
            "{}",
            done.stderr
        );
        assert!(!done.stderr.contains(&format!("\"{token}\"")), "{}", done.stderr);
    }
    assert_eq!(server.requests().len(), before);
}
