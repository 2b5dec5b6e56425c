//! A fleet to which things happen by a script, cycle by cycle, and the events that tell of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::fleet::{Fleet, FleetServer, HostStatus, SavedQuery};
use crate::{Fault, Host, What};

/// How many hosts the fleet has.
pub const HOSTS: u64 = 2_000;
/// How many saved queries there are.
pub const QUERIES: u64 = 40;
/// How many cycles the script lasts.
pub const CYCLES: usize = 10;

/// The query whose report cannot be read until the last cycle.
const FAILING: u64 = 5;

/// The query whose report can be slow.
pub const SLOW: u64 = 6;

/// What kinds of statement there are: the table, a column of it, how its rows matter.
pub const KINDS: [(&str, &str, &str); 8] = [
    ("crontab", "command", "high"),
    ("startup_items", "name", "high"),
    ("kernel_modules", "name", "high"),
    ("processes", "name", "medium"),
    ("listening_ports", "address", "medium"),
    ("logged_in_users", "user", "medium"),
    ("os_version", "name", "info"),
    ("uptime", "days", "info"),
];

/// The script, as far as it has been played.
#[derive(Debug)]
pub struct Script {
    random: fastrand::Rng,
    /// How many cycles have been played.
    cycle: usize,
    names: BTreeMap<u64, String>,
    statuses: BTreeMap<u64, &'static str>,
    /// The rows of the report that fails.
    untold: Vec<String>,
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

impl Script {
    /// The script before its first cycle.
    pub fn new() -> Self {
        let ids = 101..101 + HOSTS;
        Self {
            random: fastrand::Rng::with_seed(4),
            cycle: 0,
            names: ids.clone().map(|id| (id, format!("host-{}", id - 100))).collect(),
            statuses: ids.map(|id| (id, "online")).collect(),
            untold: Vec::new(),
        }
    }

    /// The server at the beginning.
    pub fn fleet(like: Fleet) -> Fleet {
        let queries = (1..=QUERIES).map(|number| SavedQuery {
            name: format!("query-{number}"),
            query: statement(number),
            ..SavedQuery::default()
        });
        Fleet {
            hosts: vec![Host {
                hostname: "host-{n}".into(),
                count: usize::try_from(HOSTS).unwrap(),
                ..Host::default()
            }],
            queries: queries.collect(),
            ..like
        }
    }

    /// Whether the cycle that was played is the last, in which nothing fails.
    pub fn is_last(&self) -> bool {
        self.cycle == CYCLES
    }

    /// Plays a cycle, after which one report takes so long. Returns the events that have to tell of it, in words and in order.
    pub async fn play(&mut self, server: &FleetServer, slow: Duration) -> Vec<String> {
        let mut expected = self.play_hosts(server);
        // Reports are stamped in whole seconds.
        server.advance_clock(10);
        self.play_queries(server, &mut expected).await;
        self.cycle += 1;
        let fault = |query: u64, what| Fault {
            path: format!("/{query}/report"),
            query: None,
            times: None,
            what,
        };
        let mut faults = vec![fault(SLOW, What::Delay(u64::try_from(slow.as_millis()).unwrap()))];
        if self.is_last() {
            expected.append(&mut self.untold);
        } else {
            faults.push(fault(FAILING, What::Status(500)));
        }
        server.set_faults(faults);
        expected.sort();
        expected
    }

    /// Hosts are deleted, come and go, and enrol.
    fn play_hosts(&mut self, server: &FleetServer) -> Vec<String> {
        let told = |name: &str, status: &str| format!("host {name} {status} {}", posture(status));
        if self.cycle == 0 {
            return self.names.values().map(|name| told(name, "online")).collect();
        }
        let mut expected = Vec::new();
        for id in self.some_hosts(6) {
            server.delete_host(id).unwrap();
            self.names.remove(&id);
            self.statuses.remove(&id);
        }
        for id in self.some_hosts(80) {
            let status = self.random.choice(["online", "offline", "missing"]).unwrap();
            let of_server = match status {
                "online" => HostStatus::Online,
                "offline" => HostStatus::Offline,
                _ => HostStatus::Missing,
            };
            server.set_host_status(id, of_server).unwrap();
            if self.statuses.insert(id, status) != Some(status) {
                expected.push(told(&self.names[&id], status));
            }
        }
        let cycle = self.cycle;
        let new = Host {
            hostname: format!("new-{cycle}-{{n}}"),
            count: 5,
            ..Host::default()
        };
        for (number, id) in (1..).zip(server.enrol(&new).unwrap()) {
            let name = format!("new-{cycle}-{number}");
            expected.push(told(&name, "online"));
            self.names.insert(id, name);
            self.statuses.insert(id, "online");
        }
        expected
    }

    /// Each query is run by a few hosts whose rows have changed.
    async fn play_queries(&mut self, server: &FleetServer, expected: &mut Vec<String>) {
        let cycle = self.cycle;
        for number in 1..=QUERIES {
            let (table, column, severity) = kind(number);
            let asked = self.some_hosts(3);
            for id in &asked {
                let values = (0..self.random.usize(0..4)).map(|n| format!("{cycle}.{number}.{n}"));
                let values: Vec<String> = values.collect();
                let row = |value: &String| Map::from_iter([(column.to_owned(), json!(value))]);
                server.set_rows(*id, table, values.iter().map(row).collect()).unwrap();
                let name = &self.names[id];
                if number == FAILING {
                    // A host's next answer replaces this one.
                    self.untold.retain(|row| !row.contains(&format!(" {name} query-")));
                }
                let rows = values
                    .iter()
                    .map(|value| format!("query_row {name} query-{number} {table} {value} {severity}"));
                if number == FAILING {
                    self.untold.extend(rows);
                } else {
                    expected.extend(rows);
                }
            }
            server.run_saved_query(number, &asked).await.unwrap();
        }
        let names = &self.names;
        self.untold
            .retain(|row| names.values().any(|name| row.contains(&format!(" {name} query-"))));
    }

    fn some_hosts(&mut self, count: usize) -> Vec<u64> {
        let ids: Vec<u64> = self.names.keys().copied().collect();
        self.random.choose_multiple(ids, count)
    }
}

/// A statement that reads one table, in one of several ways.
fn statement(number: u64) -> String {
    let (table, column, _) = kind(number);
    match number % 3 {
        0 => format!("SELECT {column} FROM {table}"),
        1 => {
            format!("WITH found AS (SELECT {column}\n  FROM \"{table}\") -- FROM crontab\nSELECT {column} FROM found")
        }
        _ => format!("SELECT t.{column} FROM (SELECT 1) CROSS JOIN {table} AS t"),
    }
}

fn kind(number: u64) -> (&'static str, &'static str, &'static str) {
    KINDS[usize::try_from(number).unwrap() % KINDS.len()]
}

fn posture(status: &str) -> &'static str {
    match status {
        "missing" => "medium",
        "offline" => "low",
        _ => "info",
    }
}

/// What an event tells; none if it is a notice.
pub fn in_words(event: &Value) -> Option<String> {
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    match text("kind") {
        "host" => Some(format!(
            "host {} {} {}",
            text("hostname"),
            text("status"),
            text("severity")
        )),
        "query_row" => {
            let (table, query) = (text("osquery_table"), text("query_name"));
            let column = KINDS.iter().find(|(known, ..)| *known == table)?.1;
            // The column may have the name of a canonical field, which wins.
            let value = event["raw_event"][column].as_str()?;
            Some(format!(
                "query_row {} {query} {table} {value} {}",
                text("hostname"),
                text("severity")
            ))
        }
        _ => None,
    }
}

/// Panics unless exactly these things were told, each once.
pub fn assert_told(when: &str, mut told: Vec<String>, expected: &[String]) {
    told.sort();
    let without = |these: &[String], those: &[String]| -> Vec<String> {
        let not_there = these.iter().filter(|line| those.binary_search(line).is_err());
        not_there.cloned().collect()
    };
    let (missing, surplus) = (without(expected, &told), without(&told, expected));
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "{when}: missing {missing:?}, surplus {surplus:?}"
    );
    assert_eq!(told.len(), expected.len(), "{when}: something was told twice");
}
