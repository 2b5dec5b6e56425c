//! Components as they were built for each released version of the contract: what loaded once loads as long as that version
//! is spoken.
//!
//! They are never built anew. A new version of the contract gets a component of its own, from a module beside it:
//! `NEW_GOLDEN=1 cargo test --workspace --test e2e golden`.

use std::path::PathBuf;
use std::sync::Arc;

use playbook_host::run::RunStatus;
use playbook_host::{CancellationToken, Engine, Limits, Playbook, RunInputs, Runner, Secrets};
use serde_json::json;

use super::component;
use crate::repository;

fn golden(file: &str) -> PathBuf {
    repository::path("tests/golden").join(file)
}

/// Says that a component was made for a later version than it was.
fn made_for(version: &str, component: &[u8]) -> Vec<u8> {
    let mut bytes = component.to_vec();
    let (from, to) = ("@0.2.0", format!("@{version}"));
    assert_eq!(from.len(), to.len());
    while let Some(at) = bytes.windows(from.len()).position(|window| window == from.as_bytes()) {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[tokio::test]
async fn a_component_that_was_made_for_a_later_compatible_version_runs_if_it_finds_what_it_needs() {
    let newer = made_for("0.2.7", hostile_component::COMPONENT);
    let mut runner = Runner::new(Engine::new(None).unwrap(), Limits::default());
    runner.load("newer", &newer).await.unwrap();
    let playbook = Playbook::parse("a.yaml", "- {id: a, type: misbehave, params: {how: nothing}}").unwrap();
    let prepared = runner.prepare(playbook, RunInputs::new(Secrets::default())).unwrap();
    let report = runner.run(prepared, CancellationToken::new(), Arc::new(|_| {})).await;
    assert_eq!(report.status, RunStatus::Success, "{:?}", report.steps[0].error);

    let mut needy = newer;
    let (from, to) = (b"panicked", b"panickex");
    while let Some(at) = needy.windows(from.len()).position(|window| window == from) {
        needy[at..at + to.len()].copy_from_slice(to);
    }
    let mut runner = Runner::new(Engine::new(None).unwrap(), Limits::default());
    let refused = runner.load("needy", &needy).await.unwrap_err().to_string();
    let words = "it was made for 0.2.7 of the contract and needs something that this host's playbook:plugin@0.2.0 does not have";
    assert!(refused.contains(words), "{refused}");
}

#[tokio::test]
async fn a_component_of_each_released_contract_still_runs() {
    for version in ["0.2.0"] {
        let file = golden(&format!("contract-{version}.wasm"));
        if !file.exists() && std::env::var_os("NEW_GOLDEN").is_some() {
            let module = wat::parse_file(golden(&format!("contract-{version}.wat"))).unwrap();
            std::fs::write(&file, component(module)).unwrap();
        }
        let mut runner = Runner::new(Engine::new(None).unwrap(), Limits::default());
        runner.load("golden", &std::fs::read(&file).unwrap()).await.unwrap();
        let playbook = Playbook::parse("a.yaml", "- {id: a, type: golden, params: {}}").unwrap();
        let prepared = runner
            .prepare(playbook.clone(), RunInputs::new(Secrets::default()))
            .unwrap();
        let report = runner.run(prepared, CancellationToken::new(), Arc::new(|_| {})).await;
        assert_eq!(report.status, RunStatus::Success, "{:?}", report.steps[0].error);
        assert_eq!(report.steps[0].result, Some(json!({"version": version})));
    }
}
