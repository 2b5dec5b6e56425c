//! Small components that misbehave while they are described.

use std::time::Duration;

use playbook_host::sandbox::{CallError, Plugin, PluginError};
use playbook_host::{Engine, Limits};

use crate::plugin::component;

/// A component of the contract whose `describe` has this body.
fn describing(describe: &str) -> Vec<u8> {
    describing_with(describe, "")
}

/// A component of the contract whose `describe` has this body, and whose module has more in it.
pub(super) fn describing_with(describe: &str, more: &str) -> Vec<u8> {
    let module = format!(
        r#"(module
            (import "playbook:plugin/log@0.2.0" "panicked" (func $panicked (param i32 i32)))
            (import "playbook:plugin/clock@0.2.0" "sleep" (func $sleep (param i64)))
            (memory (export "memory") 1)
            (data (i32.const 16) "at the disco, src/lib.rs:7")
            (func $recurse (param i64) (result i64)
                (i64.add (local.get 0) (call $recurse (i64.add (local.get 0) (i64.const 1)))))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "playbook:plugin/step@0.2.0#describe") (result i32) {describe})
            (func (export "playbook:plugin/step@0.2.0#render-template") (param i32 i32 i32 i32 i32 i32) (result i32) unreachable)
            (func (export "playbook:plugin/step@0.2.0#check") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "playbook:plugin/step@0.2.0#run") (param i32 i32 i32 i32) (result i32) unreachable)
            (table $table 0 funcref)
            {more}
        )"#
    );
    component(wat::parse_str(module).expect("the module is valid"))
}

async fn load(describe: &str) -> Result<Plugin, PluginError> {
    let engine = Engine::new(None).unwrap();
    let mut limits = Limits::default();
    limits.cpu = Duration::from_millis(100);
    limits.memory = 4 << 20;
    Plugin::load(&engine, "hostile", &describing(describe), &limits).await
}

#[tokio::test]
async fn each_misbehaviour_ends_in_its_own_error() {
    let limit = 4 << 20;
    let budget = Duration::from_millis(100);
    let panicked = CallError::Panicked {
        message: "at the disco, src/lib.rs:7".into(),
    };
    for (describe, expected) in [
        ("(loop $l (br $l)) unreachable", CallError::OutOfCpu { budget }),
        (
            "(loop $l (drop (memory.grow (i32.const 8))) (br $l)) unreachable",
            CallError::OutOfMemory { limit },
        ),
        (
            "(drop (call $recurse (i64.const 0))) unreachable",
            CallError::StackOverflow,
        ),
        (
            "(loop $l (drop (table.grow $table (ref.null func) (i32.const 10000))) (br $l)) unreachable",
            CallError::OutOfMemory { limit },
        ),
        ("(call $panicked (i32.const 16) (i32.const 26)) unreachable", panicked),
    ] {
        match load(describe).await {
            Err(error @ PluginError::Call { .. }) => {
                assert!(error.to_string().contains("plugin `hostile`"), "{error}");
                let PluginError::Call { source, .. } = error else {
                    unreachable!()
                };
                assert_eq!(source, expected, "{describe}");
            }
            Err(error) => panic!("{describe}: {error}"),
            Ok(_) => panic!("{describe}: it loaded"),
        }
    }
}

#[tokio::test]
async fn a_trap_and_a_wild_pointer_are_reported_as_traps() {
    for describe in ["unreachable", "(i32.const -1)"] {
        match load(describe).await {
            Err(PluginError::Call {
                source: CallError::Trapped { .. },
                ..
            }) => {}
            Err(error) => panic!("{describe}: {error}"),
            Ok(_) => panic!("{describe}: it loaded"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_only_waits_spends_time_and_no_cpu() {
    // An hour is far beyond the deadline; four seconds are beyond the CPU budget forty times over, and are fine.
    match load("(call $sleep (i64.const 3600000)) unreachable").await {
        Err(PluginError::Call {
            source: CallError::Deadline { .. },
            ..
        }) => {}
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it loaded"),
    }
    match load("(call $sleep (i64.const 4000)) (i32.const 512)").await {
        Ok(plugin) => assert!(plugin.step_types().is_empty()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_plugin_of_another_contract_is_refused_in_words() {
    let engine = Engine::new(None).unwrap();
    for (component, words) in [
        (
            r#"(component (import "wasi:cli/environment@0.2.0" (instance)))"#,
            "it imports `wasi:cli/environment@0.2.0`",
        ),
        (
            r#"(component (import "playbook:plugin/log@0.9.0" (instance)))"#,
            "it was made for playbook:plugin@0.9.0",
        ),
        ("(component)", "it provides nothing"),
    ] {
        let bytes = wat::parse_str(component).unwrap();
        match Plugin::load(&engine, "other", &bytes, &Limits::default()).await {
            Err(error) => assert!(error.to_string().contains(words), "{error}"),
            Ok(_) => panic!("{component}: it loaded"),
        }
    }
}
