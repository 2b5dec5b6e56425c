//! An engine that runs many steps: at once, and for long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use playbook_host::run::RunStatus;
use playbook_host::{CancellationToken, Engine, Limits, Playbook, RunInputs, Runner, Secrets};
use serde_json::{Value, json};

use crate::child::{self, Server};
use crate::server::{Size, TOKEN};
use crate::table::{Table, mib, ms};
use crate::{Outcome, step};

/// Steps that run at once.
const AT_ONCE: usize = 1_000;

/// Steps in all, of the engine that has so many under way.
const CROWDED: usize = 5_000;

/// Steps in all, of the engine that runs for long.
const LASTING: usize = 100_000;

pub(crate) fn measure(table: &mut Table) -> Outcome {
    let run = |steps: usize, at_once: usize| {
        let server = Server::start(Size::of(1))?;
        let args = ["steps", &server.url, &steps.to_string(), &at_once.to_string()];
        let used = child::run(&mut child::cached(child::part(&args)?))?;
        let told: Value = serde_json::from_str(&used.stdout)?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((used, told))
    };
    let (used, told) = run(CROWDED, AT_ONCE)?;
    let latency = |name: &str| ms(Duration::from_micros(told[name].as_u64().unwrap_or_default()));
    table.add(
        format!("{CROWDED} live queries, {AT_ONCE} at once in one process"),
        format!("{:.0} steps/s", CROWDED as f64 / used.wall.as_secs_f64()),
        format!(
            "p50 {}, p99 {}, peak {}",
            latency("p50_us"),
            latency("p99_us"),
            mib(used.peak)
        ),
        "",
    );
    let (used, told) = run(LASTING, 32)?;
    let memory = |name: &str| mib(told[name].as_u64().unwrap_or_default());
    table.add(
        format!("one process after {LASTING} live queries"),
        memory("resident_at_end"),
        format!(
            "{} after a tenth of them; {:.0} steps/s",
            memory("resident_at_tenth"),
            LASTING as f64 / used.wall.as_secs_f64()
        ),
        "does not grow",
    );
    Ok(())
}

/// An engine that runs live queries of one host each, and prints how long they took and how much memory it has.
pub(crate) fn steps(url: &str, steps: usize, at_once: usize) -> Outcome {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let mut limits = Limits::default();
        // Whoever runs a thousand steps at once has the memory for them.
        limits.shared = 4 << 30;
        let mut runner = Runner::new(Engine::new(Engine::user_cache_dir().as_deref())?, limits);
        runner.load("bench", embedded_plugin::COMPONENT).await?;
        let runner = Arc::new(runner);
        let playbook = Arc::new(Playbook::parse("bench.yaml", &step::playbook(url))?);
        let one = |_| {
            let (runner, playbook) = (runner.clone(), playbook.clone());
            tokio::spawn(async move {
                let began = Instant::now();
                let secrets = Secrets::new([("fleetdm_token".to_owned(), TOKEN.into())]);
                let prepared = runner
                    .prepare(playbook.clone(), RunInputs::new(secrets))
                    .expect("the playbook is valid");
                let report = runner.run(prepared, CancellationToken::new(), Arc::new(|_| ())).await;
                (began.elapsed(), report.status)
            })
        };
        let mut latencies = Vec::with_capacity(steps);
        let mut resident_at_tenth = 0;
        let mut running = stream::iter(0..steps).map(one).buffer_unordered(at_once);
        while let Some(ended) = running.next().await {
            let (latency, status) = ended?;
            if status != RunStatus::Success {
                return Err(format!("a step ended with {status:?}").into());
            }
            latencies.push(latency);
            if latencies.len() == steps / 10 {
                resident_at_tenth = resident()?;
            }
        }
        latencies.sort();
        let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100].as_micros() as u64;
        let told = json!({
            "p50_us": at(50),
            "p99_us": at(99),
            "resident_at_tenth": resident_at_tenth,
            "resident_at_end": resident()?,
        });
        println!("{told}");
        Ok(())
    })
}

/// Memory of this process that is resident, in bytes.
fn resident() -> Outcome<u64> {
    Ok(child::memory("self", "VmRSS:").ok_or("the system does not say how much memory there is")?)
}
