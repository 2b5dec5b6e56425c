//! Live queries of many hosts.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sim::fleet::FleetServer;

use crate::child::{self, Used};
use crate::native::Native;
use crate::server::Size;
use crate::table::{Table, mib, ms, s};
use crate::{Outcome, step};

const FEW: usize = 1_000;
const MANY: usize = 10_000;

pub(crate) fn measure(table: &mut Table) -> Outcome {
    let runtime = tokio::runtime::Runtime::new()?;
    let few = runtime.block_on(run(FEW))?;
    let many = runtime.block_on(run(MANY))?;
    for (hosts, query) in [(FEW, &few), (MANY, &many)] {
        table.add(
            format!("live query of {hosts} hosts, from the last host's answer to the end of the process"),
            ms(query.after_last),
            format!("{} in all, {} CPU", s(query.used.wall), s(query.used.cpu)),
            "100 ms",
        );
    }
    let grown = many.used.peak.saturating_sub(few.used.peak) / (MANY - FEW) as u64;
    table.add(
        "memory for each host",
        format!("{:.1} kB", grown as f64 / 1e3),
        format!("peak {} and {}", mib(few.used.peak), mib(many.used.peak)),
        "20 kB",
    );
    let (into, out) = runtime.block_on(crossing(FEW))?;
    table.add(
        "bytes that cross the plugin's border for each row",
        format!("{into} in, {out} out"),
        "",
        "",
    );
    Ok(())
}

struct Query {
    used: Used,
    /// From the last host's answer to the end of the process.
    after_last: Duration,
}

/// Runs the command against a server in this process, which knows when it sent the last answer.
async fn run(hosts: usize) -> Outcome<Query> {
    let server = FleetServer::start(Size::of(hosts).fleet()).await?;
    let directory = tempfile::tempdir()?;
    let mut command = child::playbook()?;
    command
        .args(["run", "--output", "json", "--alert"])
        .arg(alert(&directory, hosts)?)
        .arg(playbook(&directory, server.url())?)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(Stdio::piped());
    let began = Instant::now();
    let child = command.spawn()?;
    let finishing = tokio::task::spawn_blocking(move || {
        let used = child::finish(child, began)?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((used, Instant::now()))
    });
    let last = loop {
        let answered: usize = server.campaigns().iter().map(|campaign| campaign.results).sum();
        if answered == hosts {
            break Instant::now();
        }
        if finishing.is_finished() {
            return Err(format!("it ended after {answered} answers").into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let (used, ended) = finishing.await??;
    let report: Value = serde_json::from_str(&used.stdout)?;
    let results = report["steps"][0]["result"]["results"].as_object();
    if results.map(serde_json::Map::len) != Some(hosts) {
        return Err("hosts are missing from the result".into());
    }
    Ok(Query {
        used,
        after_last: ended.saturating_duration_since(last),
    })
}

/// Bytes of answers and frames that go into the plugin, and bytes of the result that come out, for each row. They are the same
/// natively, where they are easily counted.
async fn crossing(hosts: usize) -> Outcome<(usize, usize)> {
    let server = FleetServer::start(Size::of(hosts).fleet()).await?;
    let native = Native::new(server.url())?;
    let mut params = step::params(server.url());
    params["target_hosts"] = json!(names(hosts));
    params["timeout_seconds"] = json!(300);
    let outcome = step_osquery::exports::step::run(&native, &params.to_string()).await;
    outcome.map_err(|failure| failure.message)?;
    let heard = native.heard();
    let (mut rows, mut bytes) = (0, 0);
    for entry in native.published() {
        rows += serde_json::from_str::<Vec<Value>>(&entry)?.len();
        bytes += entry.len();
    }
    if rows == 0 {
        return Err("there are no rows".into());
    }
    Ok((heard / rows, bytes / rows))
}

fn names(hosts: usize) -> Vec<String> {
    (1..=hosts)
        .map(|number| format!("host-{number}.corp.example"))
        .collect()
}

fn alert(directory: &tempfile::TempDir, hosts: usize) -> Outcome<std::path::PathBuf> {
    let path = directory.path().join("alert.json");
    std::fs::write(&path, json!({"hosts": names(hosts)}).to_string())?;
    Ok(path)
}

fn playbook(directory: &tempfile::TempDir, url: &str) -> Outcome<std::path::PathBuf> {
    let path = directory.path().join("playbook.yaml");
    let mut playbook: Value = serde_json::from_str(&step::playbook(url))?;
    playbook["params"]["target_hosts"] = json!("{{ alert.hosts }}");
    playbook["params"]["timeout_seconds"] = json!(300);
    std::fs::write(&path, playbook.to_string())?;
    Ok(path)
}
