//! Files that are written: for the user alone, and where they were meant to be.

use std::path::Path;
#[cfg(unix)]
use std::time::Duration;

use playbook_host::poll::{Connector, FileSink, StateFile};

#[cfg(unix)]
use crate::command::run;
#[cfg(unix)]
use crate::one_step;

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
#[cfg(unix)]
fn what_is_written_is_for_the_user_alone() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state/of/playbook");
    drop(StateFile::open(&state, "corp", "fleetdm").unwrap());
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("corp.redb")), 0o600);
    let events = folder.path().join("events.ndjson");
    drop(FileSink::open(&events).unwrap());
    assert_eq!(mode(&events), 0o600);
}

#[test]
#[cfg(unix)]
fn a_link_in_the_place_of_state_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let precious = folder.path().join("precious");
    for there in [true, false] {
        if there {
            std::fs::write(&precious, "").unwrap();
        } else {
            std::fs::remove_file(&precious).unwrap();
        }
        let link = state.join("corp.redb");
        std::os::unix::fs::symlink(&precious, &link).unwrap();
        let Err(error) = StateFile::open(&state, "corp", "fleetdm") else {
            panic!("a link is followed");
        };
        assert!(error.to_string().contains("corp.redb"), "{error}");
        std::fs::remove_file(&link).unwrap();
    }
    assert!(!precious.exists());
}

#[test]
fn a_connector_cannot_be_named_like_a_path() {
    for name in [
        "../../etc/x",
        "/etc/x",
        "a/b",
        "..",
        ".",
        "a\\b",
        "a\u{0}b",
        "",
        &"a".repeat(65),
    ] {
        let file = serde_json::json!({"connector": "fleetdm", "name": name, "config": {"base_url": "https://x"}});
        assert!(Connector::parse("corp.json", &file.to_string()).is_err(), "{name:?}");
    }
}

/// A folder with a playbook of one step that connects, whose params have one more.
#[cfg(unix)]
fn connecting(more: &serde_json::Value) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut params = serde_json::json!({"base_url": "https://fleet.example.com"});
    params
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let file = one_step::write(folder.path(), &params, &serde_json::json!({}));
    (folder, file)
}

#[tokio::test]
#[cfg(unix)]
async fn no_file_that_input_names_is_read_without_end_or_waited_for() {
    let (folder, file) = connecting(&serde_json::json!({}));
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let endless = folder.path().join("endless");
    std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
    for name in [&pipe, &endless].map(|path| path.to_str().unwrap()) {
        let (_folder, certificates) = connecting(&serde_json::json!({"ca_file": name}));
        let (_folder, identity) = connecting(&serde_json::json!({"client_certificate": name}));
        let tests = folder.path().join("a.test.yaml");
        std::fs::write(
            &tests,
            serde_json::json!({"playbook": Path::new(name).file_name().unwrap().to_str(), "cases": [{"name": "a", "expect": {"status": "success"}}]}).to_string(),
        )
        .unwrap();
        let commands: &[&[&str]] = &[
            &["validate", &certificates, "--var", "a=b"],
            &["run", &certificates, "--dry-run"],
            &["run", &identity, "--dry-run"],
            &["run", name],
            &["run", &file, "--alert", name],
            &["run", &file, "--secrets", name],
            &["run", &file, "--policy", name],
            &["run", &file, "--lock", name],
            &["run", &file, "--plugin", name],
            &["test", tests.to_str().unwrap()],
            &["show", name],
            &["replay", name],
            &["poll", name],
            &["check", name],
            &["validate", name],
            &["plugin", "inspect", name],
            &["plugin", "lock", name],
        ];
        for args in commands {
            let done = tokio::time::timeout(Duration::from_secs(20), run(args, &[("token", one_step::TOKEN)])).await;
            let done = done.unwrap_or_else(|_| panic!("{args:?} does not end"));
            assert_eq!(done.code(), 2, "{args:?}: {}", done.stderr);
            assert!(
                done.stderr.contains("regular file") || done.stderr.contains("outside"),
                "{args:?}: {}",
                done.stderr
            );
        }
    }
}

#[tokio::test]
#[cfg(unix)]
async fn a_test_names_no_file_outside_its_folder() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("tests");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(outer.path().join("foreign"), "a-line-of-a-foreign-file: [").unwrap();
    std::os::unix::fs::symlink(outer.path().join("foreign"), folder.join("link.yaml")).unwrap();
    let tests = folder.join("a.test.yaml");
    let named = outer.path().join("foreign").display().to_string();
    for name in ["../foreign", &named, "link.yaml"] {
        let case = serde_json::json!({"name": "a", "record": name, "expect": {"status": "success"}});
        for file in [
            serde_json::json!({"playbook": name, "cases": [{"name": "a", "expect": {"status": "success"}}]}),
            serde_json::json!({"cases": [case]}),
        ] {
            std::fs::write(folder.join("a.yaml"), "- {id: a, type: condition, condition: 'true'}").unwrap();
            std::fs::write(&tests, file.to_string()).unwrap();
            for command in ["test", "validate"] {
                let done = run(&[command, tests.to_str().unwrap()], &[]).await;
                assert_eq!(done.code(), 2, "{file}: {}", done.stderr);
                assert!(done.stderr.contains("outside the folder"), "{file}: {}", done.stderr);
                assert!(!done.stderr.contains("a-line-of"), "{file}: {}", done.stderr);
            }
        }
    }
}

#[tokio::test]
#[cfg(unix)]
async fn no_planted_link_has_another_file_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("a.yaml"), "- {id: a, type: condition, condition: 'true'}").unwrap();
    std::fs::write(at("precious"), "precious").unwrap();
    std::os::unix::fs::symlink(at("precious"), at("link")).unwrap();
    let (file, link) = (at("a.yaml").display().to_string(), at("link").display().to_string());
    let done = run(&["run", &file, "--report", &link], &[]).await;
    assert_eq!(done.code(), 2, "{}", done.stderr);
    assert!(done.stderr.contains("symbolic link"), "{}", done.stderr);
    assert!(
        FileSink::open(&at("link")).is_err(),
        "events go to what a link leads to"
    );
    std::fs::hard_link(at("precious"), at("hard")).unwrap();
    assert!(
        FileSink::open(&at("hard")).is_err(),
        "events go to a file with another name"
    );
    std::fs::write(at("foreign"), "").unwrap();
    // Only root can give a file away.
    if std::os::unix::fs::chown(at("foreign"), Some(65_534), None).is_ok() {
        assert!(
            FileSink::open(&at("foreign")).is_err(),
            "events go to another user's file"
        );
    }
    // A folder that everybody may write to is no exception.
    if let Ok(shared) = tempfile::tempdir_in("/dev/shm") {
        let link = shared.path().join("events.ndjson");
        std::os::unix::fs::symlink(at("precious"), &link).unwrap();
        assert!(FileSink::open(&link).is_err(), "{}", link.display());
    }
    assert_eq!(std::fs::read_to_string(at("precious")).unwrap(), "precious");
    assert!(FileSink::open(Path::new("/dev/null")).is_ok());
    assert!(FileSink::open(&at("new.ndjson")).is_ok());
}

#[tokio::test]
#[cfg(unix)]
async fn a_folder_that_others_may_write_to_keeps_no_state_and_no_record() {
    use std::os::unix::fs::PermissionsExt;
    let outer = tempfile::tempdir().unwrap();
    let shared = outer.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let file = outer.path().join("a.yaml");
    std::fs::write(&file, "- {id: a, type: condition, condition: 'true'}").unwrap();
    for mode in [0o777, 0o1777, 0o770] {
        std::fs::set_permissions(&shared, PermissionsExt::from_mode(mode)).unwrap();
        assert!(StateFile::open(&shared, "corp", "fleetdm").is_err(), "{mode:o}");
        let args = ["run", file.to_str().unwrap(), "--record", shared.to_str().unwrap()];
        let done = run(&args, &[]).await;
        assert_eq!(done.code(), 2, "{mode:o}: {}", done.stderr);
        assert!(done.stderr.contains("chmod go-w"), "{}", done.stderr);
    }
    assert_eq!(std::fs::read_dir(&shared).unwrap().count(), 0);
}
