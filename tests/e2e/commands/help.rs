//! What the command says of itself: help texts, completions, manual pages.

use crate::command::run;

/// Every command, as it is called.
const COMMANDS: [&[&str]; 18] = [
    &["run"],
    &["show"],
    &["replay"],
    &["validate"],
    &["test"],
    &["explain"],
    &["poll"],
    &["check"],
    &["templates"],
    &["schema"],
    &["init"],
    &["plugin"],
    &["plugin", "inspect"],
    &["plugin", "lock"],
    &["demo"],
    &["completions"],
    &["man"],
    &[],
];

async fn stdout(args: &[&str]) -> String {
    let done = run(args, &[]).await;
    assert_eq!(done.code(), 0, "{args:?}\n{}", done.stderr);
    done.stdout
}

#[tokio::test]
async fn every_command_says_how_it_is_used_and_how_it_ends() {
    for command in COMMANDS {
        let help = stdout(&[command, &["--help"]].concat()).await;
        for words in ["Example", "Exit status:"] {
            assert!(help.contains(words), "{command:?}: {words}\n{help}");
        }
        let name = [&["help"], command].concat().join("-");
        insta::assert_snapshot!(name, help);
    }
    // None is left out above.
    let all = stdout(&["--help"]).await;
    let listed = all.lines().skip_while(|line| *line != "Commands:").skip(1);
    for line in listed.take_while(|line| !line.is_empty()) {
        let name = line.split_whitespace().next().unwrap();
        assert!(
            name == "help" || COMMANDS.contains(&&[name][..]),
            "{name} has no snapshot"
        );
    }
}

#[tokio::test]
async fn the_version_names_the_contract_and_the_runtime() {
    let version = stdout(&["--version"]).await;
    let manifest = include_str!("../../../Cargo.toml");
    let (_, wasmtime) = manifest.split_once("\nwasmtime = { version = \"=").unwrap();
    let (wasmtime, _) = wasmtime.split_once('"').unwrap();
    assert_eq!(
        version,
        format!(
            "playbook {} (contract {}, wasmtime {wasmtime})\n",
            env!("CARGO_PKG_VERSION"),
            playbook_host::sandbox::CONTRACT
        )
    );
}

#[tokio::test]
async fn completions_know_commands_flags_their_values_and_what_is_a_directory() {
    let bash = stdout(&["completions", "bash"]).await;
    for words in [
        "--skip-unknown-steps",
        "table json",
        "compgen -f",
        "compopt -o plusdirs",
        "elvish",
    ] {
        assert!(bash.contains(words), "{words}");
    }
    let zsh = stdout(&["completions", "zsh"]).await;
    for words in ["DIR:_files -/", "FILE:_files", "validate:Check playbooks"] {
        assert!(zsh.contains(words), "{words}");
    }
}

#[tokio::test]
async fn each_command_has_a_manual_page() {
    let page = stdout(&["man"]).await;
    for words in [".TH playbook 1", "playbook\\-init(1)", "Exit status", "\\-\\-verbose"] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    let dir = tempfile::tempdir().unwrap();
    let man1 = dir.path().join("man1");
    let args = ["man", man1.to_str().unwrap()];
    stdout(&args).await;
    for command in COMMANDS {
        let name = [&["playbook"], command].concat().join("-");
        let page = std::fs::read_to_string(man1.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {name} 1")), "{page}");
        assert!(page.contains("Example"), "{page}");
    }
    // Another version's pages give way; what is no page of ours does not.
    std::fs::write(man1.join("playbook.1"), ".TH playbook 1 \"playbook 0.0.1\"\n").unwrap();
    let shown = stdout(&args).await;
    assert!(shown.contains("replaced"), "{shown}");
    assert_eq!(std::fs::read_to_string(man1.join("playbook.1")).unwrap(), page);
    std::fs::write(man1.join("playbook-run.1"), "mine").unwrap();
    let done = run(&args, &[]).await;
    assert_eq!(done.code(), 2, "{}", done.stdout);
    assert!(done.stderr.contains("playbook-run.1"), "{}", done.stderr);
}
