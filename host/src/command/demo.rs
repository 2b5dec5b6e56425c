//! `playbook demo`: the shipped playbooks against a simulated fleet on this machine.

use playbook_host::{Playbook, RunInputs, Secrets};
use serde_json::json;
use sim::fleet::{Fleet, FleetServer};

use super::args::{DemoArgs, PluginsArgs};
use super::run::{run_playbook, show_problems};
use super::{CommandError, Exit, inputs, print};

/// The fleet of the demo.
const FLEET: &str = include_str!("../../../playbooks/demo/fleet.json");

/// The playbook of the demo, the same file that the README shows.
const PLAYBOOK: &str = include_str!("../../../playbooks/demo/triage.yaml");

pub(crate) async fn demo(args: DemoArgs, verbosity: u8) -> Result<Exit, CommandError> {
    let fleet: Fleet = serde_json::from_str(FLEET).expect("the shipped fleet is valid");
    let token = fleet.token.clone();
    let server = FleetServer::start(fleet)
        .await
        .map_err(|error| CommandError::new(format!("cannot start the simulated server: {error}")))?;
    if args.output == super::args::Output::Table {
        print(&format!(
            "A simulated Fleet server listens on {}. Its hosts run real SQL.\n\
             The playbook is playbooks/demo/triage.yaml. One host is offline, so wait until the time limit of 5 s.\n\n",
            server.url()
        ))?;
    }
    let playbook = match Playbook::parse("playbooks/demo/triage.yaml", PLAYBOOK) {
        Ok(playbook) => playbook,
        Err(problems) => return Ok(show_problems(&problems)),
    };
    let mut run = RunInputs::new(Secrets::new([("fleetdm_token".to_owned(), token.into())]));
    run.vars.insert("fleet_url".into(), json!(server.url()));
    run.alert = json!({
        "title": "Suspicious download by root",
        "hosts": ["web-01", "web-02", "db-01", "laptop-7", "build-03"],
    });
    let runner = inputs::runner(&PluginsArgs { plugins: Vec::new() }).await?;
    let exit = run_playbook(&runner, &playbook, run, args.output, verbosity).await?;
    // The demo shows a host that times out and one that fails: that is how it is meant to end.
    Ok(if exit == Exit::Partial { Exit::Success } else { exit })
}
