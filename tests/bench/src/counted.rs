//! The parts whose instructions are counted.

use std::path::Path;
use std::time::Duration;

use playbook_host::run::record::RunRecord;
use playbook_host::sandbox::CallObserver;
use playbook_host::{Engine, Limits, Playbook, RunInputs, Runner, Secrets};
use serde_json::json;
use step_osquery::exports::connectors;
use step_osquery::polling::Settings;

use crate::paper::Paper;
use crate::server::TOKEN;
use crate::{Outcome, step};

/// A run that was recorded with all that its servers said.
const RECORD: &[u8] = include_bytes!("../../records/v1.json");

/// How often they are run again: the start should not be most of what is counted.
const ROUNDS: usize = 50;

/// Hosts on paper.
const HOSTS: usize = 2_000;

/// On one thread: how work is shared out differs from run to run.
fn alone<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)
}

async fn runner(cache: &str) -> Outcome<Runner> {
    let mut limits = Limits::default();
    // Under Valgrind it runs fifty times slower.
    limits.cpu = Duration::from_hours(1);
    let mut runner = Runner::new(Engine::new(Some(Path::new(cache)))?, limits);
    runner
        .load_built_in("built-in", embedded_plugin::COMPONENT, embedded_plugin::SHA256)
        .await?;
    Ok(runner)
}

/// Loads the plugin, and prepares a playbook.
pub(crate) fn start(cache: &str) -> Outcome {
    alone(async {
        let runner = runner(cache).await?;
        let playbook = Playbook::parse("bench.yaml", &step::playbook("http://127.0.0.1:9"))?;
        let secrets = Secrets::new([("fleetdm_token".to_owned(), TOKEN.into())]);
        runner.prepare(playbook, RunInputs::new(secrets))?;
        Ok(())
    })
}

/// Runs the calls of a record again.
pub(crate) fn replay(cache: &str) -> Outcome {
    alone(async {
        let runner = runner(cache).await?;
        let record = RunRecord::parse(RECORD)?;
        for call in record.calls.iter().cycle().take(ROUNDS * record.calls.len()) {
            let replayed = runner.replay(&record, call, CallObserver::ignore()).await;
            if replayed.outcome.is_none() {
                return Err(format!("{} did not run: {:?}", replayed.step, replayed.reason).into());
            }
        }
        Ok(())
    })
}

/// Polls hosts that are on paper, natively.
pub(crate) fn poll() -> Outcome {
    let paper = Paper::with(HOSTS);
    let settings = Settings {
        format: "aisoc".into(),
        config: json!({"base_url": "https://fleet.example.com", "api_token": TOKEN}).to_string(),
        options: "{}".into(),
    };
    let polled = futures::executor::block_on(connectors::poll(&paper, "fleetdm", "hosts", &settings));
    let summary = polled.map_err(|failure| failure.message)?;
    if !summary.failures.is_empty() || paper.events.get() != HOSTS {
        return Err(format!("{} events, and {:?}", paper.events.get(), summary.failures).into());
    }
    Ok(())
}
