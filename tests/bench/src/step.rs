//! What a step costs beside its requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use playbook_host::net::{Grant, Network, Origin, Tls};
use playbook_host::sandbox::{Plugin, StepCall};
use playbook_host::{CancellationToken, Engine, Limits, Playbook, RunInputs, Runner, Secrets};
use serde_json::{Value, json};
use step_osquery::exports::step as osquery_step;

use crate::Outcome;
use crate::child::Server;
use crate::native::Native;
use crate::server::{Size, TOKEN};
use crate::table::{Table, median, us};

/// Steps before those that are counted: connections and caches are then as they stay.
const WARMING: usize = 50;

/// Steps that are counted.
const STEPS: usize = 1_000;

pub(crate) fn measure(table: &mut Table) -> Outcome {
    let server = Server::start(Size::of(1))?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let directory = tempfile::tempdir()?;
        let engine = Engine::new(Some(directory.path()))?;
        let limits = Limits::default();
        let plugin = Plugin::load(&engine, "bench", embedded_plugin::COMPONENT, &limits).await?;
        let network = Network::default();
        let mut runner = Runner::new(engine, limits);
        runner.load("bench", embedded_plugin::COMPONENT).await?;
        let playbook = Arc::new(Playbook::parse("bench.yaml", &playbook(&server.url))?);
        let native = Native::new(&server.url)?;
        let params = params(&server.url);
        let text = params.to_string();

        let (mut bare, mut called, mut run, mut idle) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for number in 0..WARMING + STEPS {
            let began = Instant::now();
            osquery_step::run(&native, &text)
                .await
                .map_err(|failure| failure.message)?;
            let natively = began.elapsed();
            let began = Instant::now();
            plugin.run(&network, call(&server.url, &params)?).await?;
            let in_plugin = began.elapsed();
            let began = Instant::now();
            let secrets = Secrets::new([("fleetdm_token".to_owned(), TOKEN.into())]);
            let prepared = runner.prepare(playbook.clone(), RunInputs::new(secrets))?;
            let report = runner.run(prepared, CancellationToken::new(), Arc::new(|_| ())).await;
            assert_eq!(report.steps[0].attempts, 1);
            let as_playbook = began.elapsed();
            let began = Instant::now();
            plugin
                .render_template(osquery_step::NAME, "logged_in_users", &json!({}))
                .await?;
            let without_requests = began.elapsed();
            if number >= WARMING {
                bare.push(natively);
                called.push(in_plugin);
                run.push(as_playbook);
                idle.push(without_requests);
            }
        }
        let (bare, called, run) = (median(bare), median(called), median(run));
        let above = |time: Duration| format!("{} above", us(time.saturating_sub(bare)));
        let natively = format!("the same requests natively: {}", us(bare));
        table.add(
            "a live query of one host, called with its params",
            us(called),
            &natively,
            "",
        );
        table.add("what the plugin and its limits cost", above(called), "", "200 µs");
        table.add(
            "the same as a playbook, rendered, validated and reported",
            above(run),
            "",
            "",
        );
        table.add("an instance and a call that makes no request", us(median(idle)), "", "");
        Ok(())
    })
}

fn call(url: &str, params: &Value) -> Outcome<StepCall> {
    let mut call = StepCall::new(osquery_step::NAME, params.clone());
    call.grant = Some(Arc::new(Grant::new(Origin::of(url)?, Tls::default())));
    Ok(call)
}

pub(crate) fn params(url: &str) -> Value {
    json!({
        "backend": "fleetdm",
        "base_url": url,
        "api_token": TOKEN,
        "template": "logged_in_users",
        "target_hosts": ["host-1.corp.example"],
        "timeout_seconds": 30,
    })
}

pub(crate) fn playbook(url: &str) -> String {
    let mut step = json!({
        "id": "users",
        "name": "Who is logged in",
        "type": osquery_step::NAME,
        "params": params(url),
    });
    step["params"]["api_token"] = json!("{{ secrets.fleetdm_token }}");
    step.to_string()
}
