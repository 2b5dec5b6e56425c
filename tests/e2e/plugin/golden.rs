//! Components as they were built for each released version of the contract: what loaded once loads as long as that version
//! is spoken.
//!
//! They are never built anew. A new version of the contract gets a component of its own, from a module beside it:
//! `NEW_GOLDEN=1 cargo test --workspace --test e2e golden`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use playbook_host::run::RunStatus;
use playbook_host::{CancellationToken, Engine, Limits, Playbook, RunInputs, Runner, Secrets};
use serde_json::json;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(file)
}

#[tokio::test]
async fn a_component_of_each_released_contract_still_runs() {
    for version in ["0.1.0"] {
        let file = golden(&format!("contract-{version}.wasm"));
        if !file.exists() && std::env::var_os("NEW_GOLDEN").is_some() {
            std::fs::write(&file, component(&golden(&format!("contract-{version}.wat")))).unwrap();
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

/// A component of the contract as it is, made of a module in text form.
fn component(module: &Path) -> Vec<u8> {
    let mut module = wat::parse_file(module).unwrap();
    let mut resolve = Resolve::default();
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let (package, _) = resolve.push_path(contract).unwrap();
    let world = resolve.select_world(&[package], Some("step-plugin")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(&module).unwrap().encode().unwrap()
}
