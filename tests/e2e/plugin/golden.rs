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
