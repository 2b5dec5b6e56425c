//! Lock files, and what is known of a plugin without running it.

use std::path::Path;

use hostile_component::{COMPONENT, describing};
use tempfile::TempDir;

use crate::command::{Finished, run};

/// A folder with a plugin, and a playbook that uses it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("misbehave.wasm"), COMPONENT).unwrap();
    let playbook = "- id: a\n  type: misbehave\n  params: {how: nothing}\n";
    std::fs::write(folder.path().join("playbook.yaml"), playbook).unwrap();
    folder
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

async fn run_with(folder: &TempDir, plugin: &str, more: &[&str]) -> Finished {
    let (playbook, plugin) = (path(folder, "playbook.yaml"), path(folder, plugin));
    let args = ["run", &playbook, "--plugin", &plugin];
    run(&[&args[..], more].concat(), &[]).await
}

async fn lock(folder: &TempDir) -> Finished {
    let (plugin, lock) = (path(folder, "misbehave.wasm"), path(folder, "playbook.lock"));
    run(&["plugin", "lock", &plugin, "--lock", &lock], &[]).await
}

fn sha256_of(stderr: &str) -> &str {
    let line = stderr.lines().find(|line| line.starts_with("plugin ")).expect(stderr);
    line.split_once(" sha256 ").expect(stderr).1
}

#[tokio::test]
async fn a_plugin_that_is_loaded_is_on_record_with_its_hash() {
    let folder = folder();
    let done = run_with(&folder, "misbehave.wasm", &[]).await;
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let inspected = run(&["plugin", "inspect", &path(&folder, "misbehave.wasm")], &[]).await;
    assert!(
        inspected.stdout.contains(sha256_of(&done.stderr)),
        "{}",
        inspected.stdout
    );
}

#[tokio::test]
async fn a_plugin_that_is_not_the_one_that_was_locked_is_refused() {
    let folder = folder();
    let locked = lock(&folder).await;
    assert_eq!(locked.code(), 0, "{}", locked.stderr);
    assert_eq!(run_with(&folder, "misbehave.wasm", &[]).await.code(), 0);

    // Another name does not matter, another content does.
    std::fs::copy(folder.path().join("misbehave.wasm"), folder.path().join("copy.wasm")).unwrap();
    assert_eq!(run_with(&folder, "copy.wasm", &[]).await.code(), 0);
    std::fs::write(folder.path().join("misbehave.wasm"), describing("spin")).unwrap();
    std::fs::write(folder.path().join("other.wasm"), describing("panic")).unwrap();
    for (plugin, words) in [
        ("misbehave.wasm", "is not the plugin that"),
        ("other.wasm", "is not among the plugins that"),
    ] {
        let refused = run_with(&folder, plugin, &[]).await;
        assert_eq!(refused.code(), 2, "{}", refused.stderr);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
        assert!(
            !refused.stderr.contains("plugin `"),
            "it was not even looked into: {}",
            refused.stderr
        );
    }

    // What changed is taken once it is locked, too.
    std::fs::write(folder.path().join("misbehave.wasm"), describing("say the truth")).unwrap();
    assert_eq!(lock(&folder).await.code(), 0);
    assert_eq!(run_with(&folder, "misbehave.wasm", &[]).await.code(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn a_lock_file_is_found_through_a_link_to_the_playbook() {
    let folder = folder();
    assert_eq!(lock(&folder).await.code(), 0);
    std::fs::write(folder.path().join("misbehave.wasm"), describing("spin")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(path(&folder, "playbook.yaml"), path(&elsewhere, "link.yaml")).unwrap();
    std::os::unix::fs::symlink(folder.path(), path(&elsewhere, "linked")).unwrap();
    std::fs::write(path(&elsewhere, "playbook.yaml"), "[]").unwrap();
    let (link, linked, other) = (
        path(&elsewhere, "link.yaml"),
        path(&elsewhere, "linked/playbook.yaml"),
        path(&elsewhere, "playbook.yaml"),
    );
    let plugin = path(&folder, "misbehave.wasm");
    for args in [
        &["run", &link][..],
        &["run", &linked],
        &["validate", &link],
        &["validate", &other, &link],
        &["test", &link],
        &["check", &link],
    ] {
        let refused = run(&[args, &["--plugin", &plugin]].concat(), &[]).await;
        assert_eq!(refused.code(), 2, "{args:?}: {}", refused.stderr);
        assert!(
            refused.stderr.contains("is not the plugin that"),
            "{args:?}: {}",
            refused.stderr
        );
    }
    // What the lock file leads to is not quoted.
    std::fs::write(path(&elsewhere, "foreign"), "\"a-line-of-a-foreign-file\"").unwrap();
    std::os::unix::fs::symlink(path(&elsewhere, "foreign"), path(&elsewhere, "playbook.lock")).unwrap();
    let refused = run(&["run", &other, "--plugin", &plugin], &[]).await;
    assert_eq!(refused.code(), 2, "{}", refused.stderr);
    assert!(!refused.stderr.contains("a-line-of"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_lock_file_that_cannot_be_used_is_no_missing_one() {
    let folder = folder();
    let lock = folder.path().join("playbook.lock");
    for text in [
        "",
        "{}",
        "{\"version\": 2, \"plugins\": []}",
        "{\"version\": 1, \"plugins\": [], \"more\": 1}",
    ] {
        std::fs::write(&lock, text).unwrap();
        let refused = run_with(&folder, "misbehave.wasm", &[]).await;
        assert_eq!(refused.code(), 2, "{text}: {}", refused.stderr);
        assert!(refused.stderr.contains("lock file"), "{text}: {}", refused.stderr);
    }
    std::fs::remove_file(&lock).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/nowhere", &lock).unwrap();
        assert_eq!(run_with(&folder, "misbehave.wasm", &[]).await.code(), 2);
        std::fs::remove_file(&lock).unwrap();
    }
    let missing = path(&folder, "missing.lock");
    let refused = run_with(&folder, "misbehave.wasm", &["--lock", &missing]).await;
    assert_eq!(refused.code(), 2, "{}", refused.stderr);
}

#[tokio::test]
async fn inspecting_a_plugin_runs_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    for how in ["spin", "allocate", "panic"] {
        std::fs::write(folder.path().join("hostile.wasm"), describing(how)).unwrap();
        let file = path(&folder, "hostile.wasm");
        let inspected = run(&["plugin", "inspect", &file], &[]).await;
        assert_eq!(inspected.code(), 0, "{how}: {}", inspected.stderr);
        assert!(
            inspected.stdout.contains("misbehave: Misbehaves as it is asked to"),
            "{}",
            inspected.stdout
        );
        let lock = path(&folder, "playbook.lock");
        assert_eq!(
            run(&["plugin", "lock", &file, "--lock", &lock], &[]).await.code(),
            0,
            "{how}"
        );
        assert!(
            std::fs::read_to_string(Path::new(&lock))
                .unwrap()
                .contains("\"misbehave\"")
        );
    }
}

#[tokio::test]
async fn what_the_built_in_plugin_says_of_itself_is_so() {
    // Loading it compares what its file says with what it describes.
    let schemas = run(&["schema"], &[]).await;
    let inspected = run(&["plugin", "inspect", "--output", "json"], &[]).await;
    let inspected: serde_json::Value = serde_json::from_str(&inspected.stdout).expect(&inspected.stderr);
    assert_eq!(schemas.code(), 0, "{}", schemas.stderr);
    assert_eq!(inspected["contract"], playbook_host::sandbox::CONTRACT);
    let names = |key: &str| -> Vec<String> {
        let provided = inspected[key].as_array().unwrap().iter();
        provided.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("step_types"), ["osquery_live_query"]);
    assert_eq!(names("connectors"), ["fleetdm", "osctrl"]);
}
