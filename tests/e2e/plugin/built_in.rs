//! The built-in plugin as a component.

use crate::command::run;

#[tokio::test]
async fn the_component_imports_nothing_but_the_contract() {
    let inspected = run(&["plugin", "inspect", "--output", "json"], &[]).await;
    let shown: serde_json::Value = serde_json::from_str(&inspected.stdout).expect(&inspected.stderr);
    let names = |key: &str| -> Vec<String> { serde_json::from_value(shown[key].clone()).unwrap() };
    assert_eq!(
        names("imports"),
        [
            "http",
            "session",
            "websocket",
            "clock",
            "limits",
            "log",
            "progress",
            "results",
            "cancellation",
            "types",
            "state"
        ]
        .map(|name| format!("playbook:plugin/{name}@0.2.0"))
        .as_slice()
    );
    assert_eq!(
        names("exports"),
        ["playbook:plugin/step@0.2.0", "playbook:plugin/connector@0.2.0"]
    );
}

#[tokio::test]
async fn a_second_start_does_not_compile_the_plugin_again() {
    let cache = tempfile::tempdir().unwrap();
    let start = async || {
        let mut command = crate::command::playbook(&["schema"], &[]);
        command.env("XDG_CACHE_HOME", cache.path());
        let done = crate::command::finish(command.spawn().unwrap()).await;
        assert_eq!(done.code(), 0, "{}", done.stderr);
        let entries = std::fs::read_dir(cache.path().join("playbook")).unwrap();
        entries
            .map(|entry| {
                (
                    entry.as_ref().unwrap().path(),
                    entry.unwrap().metadata().unwrap().modified().unwrap(),
                )
            })
            .collect::<Vec<_>>()
    };
    let first = start().await;
    assert_eq!(first.len(), 2, "one compiled plugin and its description: {first:?}");
    assert_eq!(start().await, first, "and it was not written again");
}

#[tokio::test]
async fn a_file_that_is_no_plugin_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let module = write("module.wasm", b"\0asm\x01\0\0\0");
    let text = write("text.wasm", b"hello");
    let truncated = write("truncated.wasm", b"\0asm\x0d\0\x01\0\x01\xff");
    for (path, words) in [
        (module.as_str(), "component"),
        (text.as_str(), "not a WebAssembly file"),
        (truncated.as_str(), "not a usable WebAssembly component"),
        ("/nowhere.wasm", "cannot read"),
    ] {
        let done = run(&["plugin", "inspect", path], &[]).await;
        assert_eq!(done.code(), 2);
        assert!(done.stderr.contains(words), "{path}: {}", done.stderr);
    }
}
