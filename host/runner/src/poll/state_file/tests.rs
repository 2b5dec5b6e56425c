//! What a state file remembers after a crash, and whom it refuses.

use std::collections::BTreeMap;

use super::StateFile;
use super::crash_disk::CrashDisk;
use crate::sandbox::store::{Batch, Change, EventText, Severity, Store as _, StoreError};

const SUBJECT: &str = "source at https://source.example.com";

fn change(key: usize, value: Option<usize>) -> Change {
    Change {
        key: format!("key/{key}"),
        value: value.map(|value| value.to_string().repeat(40)),
    }
}

/// The batch with this number: it adds a key, changes one and removes one.
fn batch(number: usize) -> Batch {
    let event = EventText {
        json: format!("{{\"event\":{number}}}"),
        severity: Severity::Low,
    };
    let mut changes = vec![change(number, Some(number)), change(number / 2, Some(number + 1_000))];
    if number > 3 {
        changes.push(change(number - 3, None));
    }
    Batch {
        events: vec![event; 20],
        changes,
    }
}

/// What is remembered, and what is pending.
type Seen = (BTreeMap<String, String>, Option<Batch>);

fn seen(file: &StateFile) -> Seen {
    let entries = file.entries("key/", None, usize::MAX, usize::MAX).unwrap();
    (entries.into_iter().collect(), file.pending().unwrap())
}

/// What is remembered before each delivery's two steps, and after the last.
fn history(batches: usize) -> Vec<Seen> {
    let mut entries = BTreeMap::new();
    let mut states = vec![(entries.clone(), None)];
    for number in 0..batches {
        let batch = batch(number);
        states.push((entries.clone(), Some(batch.clone())));
        for change in batch.changes {
            match change.value {
                Some(value) => entries.insert(change.key, value),
                None => entries.remove(&change.key),
            };
        }
        states.push((entries.clone(), None));
    }
    states
}

#[test]
fn a_crash_at_any_sync_leaves_the_state_before_or_after_the_step_it_hit() {
    const BATCHES: usize = 12;
    let states = history(BATCHES);
    let mut random = fastrand::Rng::with_seed(7);
    // A file gets its name when it is complete, so the first crash comes after that.
    let empty = CrashDisk::default();
    drop(StateFile::on(empty.clone(), SUBJECT).unwrap());
    for sync in 0.. {
        let disk = empty.restart(|| true);
        let file = StateFile::on(disk.clone(), SUBJECT).unwrap();
        disk.crash_at(sync);
        let mut steps = 0;
        let done: Result<(), StoreError> = (0..BATCHES).try_for_each(|number| {
            let batch = batch(number);
            file.begin(&batch)?;
            steps += 1;
            file.commit(&batch.changes)?;
            steps += 1;
            Ok(())
        });
        drop(file);
        // All, nothing and a part of what was not synced may have reached the disk.
        for lost in [0.0, 1.0, 0.3, 0.5, 0.7] {
            let restarted = disk.restart(|| random.f64() < lost);
            let found = seen(&StateFile::on(restarted, SUBJECT).unwrap());
            let possible = &states[steps..(steps + 2).min(states.len())];
            assert!(
                possible.contains(&found),
                "sync {sync}, {steps} steps done, {lost} lost"
            );
        }
        if done.is_ok() {
            assert!(sync >= 2 * BATCHES, "each step is synced");
            return;
        }
        assert!(disk.has_crashed());
    }
}

#[test]
fn a_file_is_private_and_used_by_one_process_for_one_subject() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("state");
    let file = StateFile::open(&dir, "corp", SUBJECT).unwrap();
    match StateFile::open(&dir, "corp", SUBJECT) {
        Err(StoreError::InUse { path }) => assert!(path.ends_with("corp.redb")),
        other => panic!("{other:?}"),
    }
    file.commit(&[change(1, Some(1))]).unwrap();
    drop(file);
    match StateFile::open(&dir, "corp", "source at https://other.example.com") {
        Err(error @ StoreError::Foreign { .. }) => {
            assert!(error.to_string().contains("give the connector another name"));
        }
        other => panic!("{other:?}"),
    }
    let again = StateFile::open(&dir, "corp", SUBJECT).unwrap();
    assert_eq!(seen(&again).0.len(), 1);
    #[cfg(unix)]
    for (path, mode) in [(dir.clone(), 0o700), (dir.join("corp.redb"), 0o600)] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode);
    }
    std::fs::write(dir.join("broken.redb"), b"this is no database, and was never one").unwrap();
    assert!(matches!(
        StateFile::open(&dir, "broken", SUBJECT),
        Err(StoreError::Broken { .. })
    ));
}

#[test]
fn entries_are_read_in_parts_and_by_prefix() {
    let file = StateFile::on(CrashDisk::default(), SUBJECT).unwrap();
    let keys = ["a/1", "host/1", "host/10", "host/2", "hosts/baseline", "z"];
    let changes = keys.map(|key| Change {
        key: key.to_owned(),
        value: Some(key.to_uppercase()),
    });
    file.commit(&changes).unwrap();
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let part = file.entries("host/", after.as_deref(), 2, usize::MAX).unwrap();
        let Some((last, _)) = part.last() else { break };
        after = Some(last.clone());
        found.extend(part.into_iter().map(|(key, _)| key));
    }
    assert_eq!(found, ["host/1", "host/10", "host/2"]);
    let asked = ["z", "nothing", "a/1"].map(str::to_owned);
    assert_eq!(
        file.get(&asked).unwrap(),
        [Some("Z".to_owned()), None, Some("A/1".to_owned())]
    );
}
