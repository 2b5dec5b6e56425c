//! Files that are written: for the user alone, and where they were meant to be.

use std::path::Path;

use playbook_host::poll::{Connector, FileSink, StateFile};

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
