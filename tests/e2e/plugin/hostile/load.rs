//! Files and descriptions that are refused when a plugin is loaded.

use playbook_host::Runner;
use playbook_host::sandbox::{Plugin, PluginError};

use super::describe::describing_with;
use super::{ENGINE, limits};
use crate::command::run;

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_lies_in_its_description_is_refused() {
    for (how, words) in [
        (
            "lie in the file",
            "its file says that its step types are [misbehave, account], and it describes [something_else]",
        ),
        ("have two of a name", "two of its step types are called `misbehave`"),
        ("have too many", "it has 5000 step types"),
        ("have an odd name", "cannot name a step type"),
        ("have an odd summary", "is not one plain line"),
        ("have no JSON", "the params schema of `misbehave` is not JSON"),
        ("have no schema", "is not a JSON Schema"),
        ("refer to itself", "it refers to itself"),
        ("refer to a file", "outside of itself"),
        ("let alerts decide", "alert data must not decide that"),
        (
            "let alerts be somebody",
            "the param `file` of `misbehave` is its client-certificate, and alert data must not decide that",
        ),
        ("misspell a role", "unknown x-role `orgin`; did you mean `origin`?"),
        ("misspell a provenance", "unknown x-provenance `alert`; known here: any"),
        ("have two of a role", "two params of `misbehave` have the role `origin`"),
        ("double itself", "too large"),
        ("be deep", "is not JSON: recursion limit"),
        ("be gigantic", "is larger than 256 KiB"),
        ("have many templates", "it has 5000 templates"),
        ("spin", "it computed for longer"),
        ("allocate", "it needs more than"),
        ("recurse", "it recursed too deeply"),
        ("panic", "it panicked"),
        ("trap", "was stopped"),
        ("ask the network", "Denied: this call was granted no network access"),
    ] {
        let loaded = Plugin::load(&ENGINE, "hostile", &hostile_component::describing(how), &limits()).await;
        let error = loaded.err().unwrap_or_else(|| panic!("{how}: it loaded")).to_string();
        assert!(
            error.starts_with("plugin `hostile` ") && error.contains(words),
            "{how}: {error}"
        );
        assert!(
            !error.contains(char::is_control) && error.len() < 3_000,
            "{how}: {error:?}"
        );
    }
    assert!(
        Plugin::load(&ENGINE, "honest", hostile_component::COMPONENT, &limits())
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_type_that_another_plugin_provides_is_not_taken_over() {
    let mut runner = Runner::new(ENGINE.clone(), limits());
    runner.load("first", hostile_component::COMPONENT).await.unwrap();
    let error = runner.load("second", hostile_component::COMPONENT).await.unwrap_err();
    assert!(
        error.to_string().contains("plugin `second`") && error.to_string().contains("`misbehave`"),
        "{error}"
    );
    assert_eq!(runner.step_types().count(), 2, "those of the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_contracts_truncated_files_and_noise_are_refused() {
    let component = hostile_component::COMPONENT;
    let replaced = |from: &str, to: &str| {
        let mut bytes = component.to_vec();
        while let Some(at) = bytes.windows(from.len()).position(|window| window == from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
        bytes
    };
    let mut files = vec![
        ("its imports are of another version", replaced("@0.2.0", "@0.9.0")),
        (
            "it says that it is of another",
            replaced("\"playbook:plugin@0.2.0\"", "\"playbook:plugin@0.9.0\""),
        ),
        ("what it says is no JSON", replaced("{\"contract\"", "[\"contract\"")),
        ("a core module", wat::parse_str("(module)").unwrap()),
        ("nothing", Vec::new()),
    ];
    let mut noise = component.to_vec();
    let mut state = 1_u32;
    for byte in noise.iter_mut().skip(8) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    }
    files.push(("noise", noise));
    for part in 1..20 {
        files.push(("cut short", component[..component.len() * part / 20].to_vec()));
    }
    for (what, bytes) in files {
        match Plugin::load(&ENGINE, "odd", &bytes, &limits()).await {
            Err(PluginError::File { .. } | PluginError::Load { .. } | PluginError::Contract { .. }) => {}
            Err(error) => panic!("{what}: {error}"),
            Ok(_) => panic!("{what}: it loaded"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compiling_is_limited_in_time_and_memory() {
    let line = "(local.set 0 (i64.add (local.get 0) (i64.mul (local.get 0) (i64.const 7))))";
    let function = format!("(func (param i64) {})", line.repeat(30_000));
    let plugin = describing_with("unreachable", &function.repeat(20));
    for (limit, words) in [
        ("compile_cpu_seconds: 1", "compiling it takes more than 1 s"),
        (
            "compile_memory_mib: 64",
            "compiling it takes more than 64 MiB of memory",
        ),
        ("plugin_mib: 1", "larger than 1 MiB (`plugin_mib`"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("hostile.wasm"), &plugin).unwrap();
        std::fs::write(path("policy.yaml"), format!("limits: {{{limit}}}")).unwrap();
        std::fs::write(path("playbook.yaml"), "[{id: a, type: misbehave}]").unwrap();
        let (playbook, plugin, policy) = (path("playbook.yaml"), path("hostile.wasm"), path("policy.yaml"));
        let done = run(&["run", &playbook, "--plugin", &plugin, "--policy", &policy], &[]).await;
        assert_ne!(done.code(), 0, "{limit}");
        assert!(done.stderr.contains(words), "{limit}: {}", done.stderr);
    }
}
