//! What `playbook run` prints for people, on terminals of some width and elsewhere.

use serde_json::json;
use sim::fleet::{Fleet, FleetServer};

use crate::command::{Finished, finish, playbook};

/// Runs a playbook against a host with a long and hostile row, in this environment.
async fn show(more: &[&str], environment: &[(&str, &str)]) -> Finished {
    let row = json!({"pid": 7, "parent": 1, "name": "sh", "path": "/bin/sh", "cmdline": format!("sh -c '\u{1b}[2J {}'", "x".repeat(90)), "state": "S", "uid": 0, "gid": 0, "start_time": 1_795_000_000, "resident_size": 1, "on_disk": 1});
    let fleet = json!({"token": "t0ken", "hosts": [{"hostname": "web-01", "tables": {"processes": [row]}}]});
    let server = FleetServer::start(serde_json::from_value::<Fleet>(fleet).unwrap())
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("playbook.yaml");
    let step = json!({"id": "ask", "type": "osquery_live_query", "params": {
        "backend": "fleetdm",
        "base_url": server.url(),
        "api_token": "{{ secrets.token }}",
        "template": "running_processes",
        "target_hosts": ["web-01"],
    }});
    std::fs::write(&file, step.to_string()).unwrap();
    let args = [&["run", file.to_str().unwrap()], more].concat();
    let mut command = playbook(&args, &[("token", "t0ken")]);
    let done = finish(command.envs(environment.iter().copied()).spawn().unwrap()).await;
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert_eq!(done.stderr, "");
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_cut_to_the_terminal_and_only_there() {
    let long = "x".repeat(90);
    for (more, environment, cut) in [
        (&[][..], &[][..], false),
        (&[], &[("COLUMNS", "100")], true),
        (&[], &[("COLUMNS", "wide")], false),
        (&["--wide"], &[("COLUMNS", "100")], false),
    ] {
        let shown = show(more, environment).await.stdout;
        assert_eq!(shown.contains(&long), !cut, "{environment:?}: {shown}");
        assert_eq!(shown.contains("--wide"), cut, "{environment:?}: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_terminals_and_escapes_of_hosts_for_nobody() {
    let escapes = |text: &str| text.matches('\u{1b}').count();
    let piped = show(&[], &[]).await.stdout;
    assert!(piped.contains("'[ESC][2J x"), "{piped}");
    assert_eq!(escapes(&piped), 0, "{piped}");
    let coloured = show(&[], &[("CLICOLOR_FORCE", "1")]).await.stdout;
    assert!(
        escapes(&coloured) > 0 && !coloured.contains("\u{1b}[2J"),
        "{coloured:?}"
    );
    let plain = show(&[], &[("NO_COLOR", "1"), ("TERM", "xterm-256color")]).await.stdout;
    assert_eq!(escapes(&plain), 0, "{plain:?}");
}
