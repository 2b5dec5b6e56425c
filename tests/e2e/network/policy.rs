//! What an operator lets steps and connectors reach.

use serde_json::json;
use sim::fleet::FleetServer;

use crate::command::{Finished, run};
use crate::one_step::{self, HOST, TOKEN, host};

struct Operator {
    server: FleetServer,
    folder: tempfile::TempDir,
}

impl Operator {
    async fn new() -> Self {
        Self {
            server: one_step::fleet(vec![host(HOST)]).await,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    async fn run(&self, base_url: &str, more: &[&str]) -> Finished {
        let playbook = one_step::write(self.folder.path(), &json!({"base_url": base_url}), &json!({}));
        run(&[&["run", &playbook], more].concat(), &[("token", TOKEN)]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_servers_that_the_operator_allows_are_reached() {
    let operator = Operator::new().await;
    let url = operator.server.url();
    let policy = |text: &str| operator.write("policy.yaml", text);
    for args in [
        vec!["--allow-origin", "https://fleet.example.com"],
        vec!["--policy", &policy("allow_origins: []")],
        vec!["--deny-private"],
    ] {
        let done = operator.run(url, &args).await;
        assert_eq!(done.code(), 2, "{args:?}: {}{}", done.stdout, done.stderr);
        for words in ["forbidden-server", "playbook.yaml:1:", "help: "] {
            assert!(done.stderr.contains(words), "{args:?}: {}", done.stderr);
        }
    }
    let unencrypted = operator.run("http://fleet.example.com", &[]).await;
    assert_eq!(unencrypted.code(), 2);
    assert!(unencrypted.stderr.contains("not encrypted"), "{}", unencrypted.stderr);
    let metadata = operator.run("https://[::ffff:169.254.169.254]/latest", &[]).await;
    assert_eq!(metadata.code(), 2);
    assert!(metadata.stderr.contains("link-local"), "{}", metadata.stderr);
    assert!(operator.server.requests().is_empty());

    let allowed = policy(&format!("allow_origins: ['{url}']\nlimits: {{requests: 50}}"));
    for args in [vec!["--allow-origin", url], vec!["--policy", &allowed]] {
        let done = operator.run(url, &args).await;
        assert_eq!(done.code(), 0, "{args:?}: {}{}", done.stdout, done.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policys_limits_hold_and_its_mistakes_have_their_place() {
    let operator = Operator::new().await;
    let url = operator.server.url();
    let few = operator.write("few.yaml", "limits: {requests: 2}");
    let done = operator.run(url, &["--policy", &few]).await;
    assert_eq!(done.code(), 1, "{}{}", done.stdout, done.stderr);
    assert!(
        done.stdout.contains("the 2 requests that it may make"),
        "{}",
        done.stdout
    );
    // A live query has two connections open at once.
    let two = operator.write("two.yaml", "limits: {connections: 2}");
    let done = operator.run(url, &["--policy", &two]).await;
    assert_eq!(done.code(), 0, "{}{}", done.stdout, done.stderr);
    let one = operator.write("one.yaml", "limits: {connections: 1}");
    let done = operator.run(url, &["--policy", &one]).await;
    assert_eq!(done.code(), 2, "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("one.yaml:1:"), "{}", done.stderr);
    let wrong = operator.write("wrong.yaml", "allow_origin: []");
    let done = operator.run(url, &["--policy", &wrong]).await;
    assert_eq!(done.code(), 2);
    for words in ["wrong.yaml:1:1", "allow_origins"] {
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
    let done = operator.run(url, &["--allow-origin", "fleet.example.com"]).await;
    assert_eq!(done.code(), 2);
    assert!(done.stderr.contains("names no server"), "{}", done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_reaches_no_more_than_a_step() {
    let operator = Operator::new().await;
    let connector = operator.write(
        "connector.yaml",
        &json!({"connector": "fleetdm", "name": "corp", "config": {
            "base_url": operator.server.url(),
            "api_token": "{{ secrets.token }}",
        }})
        .to_string(),
    );
    let state = operator.folder.path().join("state").display().to_string();
    for command in [
        vec!["check", &connector],
        vec!["poll", &connector, "--once", "--state", &state],
    ] {
        let args = [command, vec!["--allow-origin", "https://fleet.example.com"]].concat();
        let done = run(&args, &[("token", TOKEN)]).await;
        assert_eq!(done.code(), 2, "{args:?}: {}", done.stderr);
        assert!(done.stderr.contains("forbidden-server"), "{}", done.stderr);
    }
    assert!(operator.server.requests().is_empty());
}
