//! Polling a Fleet server: the status of hosts and the rows of saved queries; each change is told once.

mod events;
mod hosts;
mod reports;
mod scripted;
mod streams;

use serde_json::{Map, Value, json};
use sim::fleet::{Fleet, FleetServer, SavedQuery};
use sim::{Fault, Host, What};

use super::polled::{Polled, TOKEN};

const POSTURE: [&str; 3] = ["kind", "hostname", "status"];
const ROWS: [&str; 4] = ["query_name", "hostname", "username", "severity"];

fn fleet() -> Fleet {
    Fleet {
        token: TOKEN.into(),
        role: "observer".into(),
        ..Fleet::default()
    }
}

fn hosts(names: &[&str]) -> Vec<Host> {
    let host = |name: &&str| Host {
        hostname: (*name).into(),
        ..Host::default()
    };
    names.iter().map(host).collect()
}

fn many(count: usize) -> Host {
    Host {
        hostname: "host-{n}".into(),
        count,
        ..Host::default()
    }
}

fn users(name: &str) -> SavedQuery {
    SavedQuery {
        name: name.into(),
        query: "SELECT username FROM users".into(),
        ..SavedQuery::default()
    }
}

fn fault(path: &str, query: Option<&str>, times: Option<usize>, what: What) -> Fault {
    Fault {
        path: path.into(),
        query: query.map(str::to_owned),
        times,
        what,
    }
}

/// Sets the users of a host.
fn set_users(server: &FleetServer, host: u64, names: &[&str]) {
    let rows = names
        .iter()
        .map(|name| Map::from_iter([("username".to_owned(), json!(name))]));
    server.set_rows(host, "users", rows.collect()).unwrap();
}

async fn start(fleet: Fleet) -> (FleetServer, Polled) {
    start_with(fleet, json!({}), json!({})).await
}

async fn start_with(fleet: Fleet, config: Value, options: Value) -> (FleetServer, Polled) {
    let server = FleetServer::start(fleet).await.unwrap();
    let polled = Polled::new("fleetdm", server.url(), &config, &options);
    (server, polled)
}
