//! The simulated Fleet server, in a process of its own.

use std::io::Read as _;

use serde_json::{Map, Value, json};
use sim::Host;
use sim::fleet::{Fleet, FleetServer, SavedQuery};
use sim::osquery::Row;

use crate::Outcome;

/// The token of the server.
pub(crate) const TOKEN: &str = "bench-token-of-the-simulated-fleet";

/// What a server has: hosts, reports, and rows of each report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) hosts: usize,
    pub(crate) reports: usize,
    pub(crate) rows: usize,
}

/// Hosts that rows of a report come from.
const REPORTING: usize = 10;

impl Size {
    /// So many hosts, and no reports.
    pub(crate) fn of(hosts: usize) -> Self {
        Self {
            hosts,
            reports: 0,
            rows: 0,
        }
    }

    /// As an argument of the process that serves it.
    pub(crate) fn argument(self) -> String {
        json!([self.hosts, self.reports, self.rows]).to_string()
    }

    /// The server.
    pub(crate) fn fleet(self) -> Fleet {
        let host = Host {
            hostname: "host-{n}.corp.example".into(),
            count: self.hosts,
            latency_ms: 0,
            ..Host::default()
        };
        Fleet {
            token: TOKEN.into(),
            hosts: vec![host],
            report_cap: self.rows,
            ..Fleet::default()
        }
    }
}

/// Serves until the standard input ends.
pub(crate) fn serve(size: &str) -> Outcome {
    let (hosts, reports, rows) = serde_json::from_str(size)?;
    let size = Size { hosts, reports, rows };
    let runtime = tokio::runtime::Runtime::new()?;
    let server = runtime.block_on(async {
        let server = FleetServer::start(size.fleet()).await?;
        report(&server, size).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(server)
    })?;
    println!("{}", server.url());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    Ok(())
}

/// Saves queries, and has hosts run them.
async fn report(server: &FleetServer, size: Size) -> Outcome {
    if size.reports == 0 {
        return Ok(());
    }
    let hosts: Vec<u64> = (101..).take(REPORTING).collect();
    for host in &hosts {
        let rows = (0..size.rows / REPORTING).map(process);
        server.set_rows(*host, "processes", rows.collect())?;
    }
    for number in 0..size.reports {
        let query = server.add_saved_query(SavedQuery {
            name: format!("processes {number}"),
            query: "SELECT pid, name, path, cmdline, uid, parent FROM processes".into(),
            ..SavedQuery::default()
        })?;
        server.run_saved_query(query, &hosts).await?;
    }
    Ok(())
}

fn process(number: usize) -> Row {
    let row = json!({
        "pid": number.to_string(),
        "name": "postgres",
        "path": "/usr/lib/postgresql/17/bin/postgres",
        "cmdline": format!("postgres: worker {number} [local] idle in transaction"),
        "uid": "999",
        "parent": "1",
    });
    match row {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}
