//! `playbook demo`: a shipped playbook against simulated fleet managers on this machine.

use playbook_host::{Playbook, RunInputs, Secrets};
use serde_json::json;
use sim::Host;
use sim::fleet::{Fleet, FleetServer};
use sim::osctrl::{Osctrl, OsctrlServer};

use crate::args::{DemoArgs, PluginsArgs, RunOutput};
use crate::commands::run::run_playbook;
use crate::error::{CommandError, Exit};
use crate::inputs;
use crate::output::{print, show_problems, text};

/// The hosts of the demo, which both servers manage.
const HOSTS: &str = include_str!("../../playbooks/demo/hosts.json");

/// The playbook of the demo.
const PLAYBOOK: &str = include_str!("../../playbooks/demo/triage.yaml");

pub(crate) async fn demo(args: DemoArgs, verbosity: u8) -> Result<Exit, CommandError> {
    let hosts: Vec<Host> = serde_json::from_str(HOSTS).expect("the shipped hosts are valid");
    let fleet = Fleet {
        token: "demo-token-of-the-simulated-fleet".into(),
        hosts: hosts.clone(),
        ..Fleet::default()
    };
    let osctrl = Osctrl {
        token: "demo-token-of-the-simulated-osctrl".into(),
        hosts,
        ..Osctrl::default()
    };
    let tokens = [
        ("fleetdm_token".to_owned(), fleet.token.as_str().into()),
        ("osctrl_token".to_owned(), osctrl.token.as_str().into()),
    ];
    let mut run = RunInputs::new(Secrets::new(tokens));
    let failed = |error| CommandError::new(format!("cannot start a simulated server: {error}"));
    let fleet = FleetServer::start(fleet).await.map_err(failed)?;
    let osctrl = OsctrlServer::start(osctrl).await.map_err(failed)?;
    if args.view.output == RunOutput::Table {
        print(text!(
            "Simulated servers listen on {} (Fleet) and {} (osctrl). Their hosts run real SQL.\n\
             The playbook is playbooks/demo/triage.yaml. One host is offline, so two steps wait until their limit of 5 s.\n\n",
            fleet.url(),
            osctrl.url()
        ))?;
    }
    let playbook = match Playbook::parse("playbooks/demo/triage.yaml", PLAYBOOK) {
        Ok(playbook) => playbook,
        Err(problems) => return Ok(show_problems(&problems)),
    };
    run.vars.insert("fleet_url".into(), json!(fleet.url()));
    run.vars.insert("osctrl_url".into(), json!(osctrl.url()));
    run.alert = json!({
        "title": "Suspicious download by root",
        "hosts": ["web-01", "web-02", "db-01", "laptop-7", "build-03"],
    });
    let runner = inputs::runner(&PluginsArgs::default(), &[]).await?;
    let exit = run_playbook(&runner, playbook, run, &args.view, None, verbosity).await?;
    // The demo shows a host that times out and one that fails: that is how it is meant to end.
    Ok(if exit == Exit::Partial { Exit::Success } else { exit })
}
