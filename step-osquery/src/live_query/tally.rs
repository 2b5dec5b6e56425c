//! Who has answered: every target ends in exactly one of results, timed-out hosts and failed hosts.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use crate::contract::{Failure, Kind};
use crate::exports::TargetHosts;

/// One row of an answer: column to text.
pub type Row = Map<String, Value>;

/// A row as osquery gives it: every value a text, nothing for null.
pub fn text_row(mut row: Row) -> Row {
    for value in row.values_mut() {
        match value {
            Value::String(_) => {}
            Value::Null => *value = Value::String(String::new()),
            other => *other = Value::String(other.to_string()),
        }
    }
    row
}

/// Why a name that means several hosts cannot be asked.
pub fn ambiguous<H>(hosts: &[H], show: impl Fn(&H) -> String) -> String {
    let shown: Vec<String> = hosts.iter().take(5).map(show).collect();
    let more = hosts.len().saturating_sub(shown.len());
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!(
        "{} hosts have this name: {}{more}; use the uuid",
        hosts.len(),
        shown.join(", ")
    )
}

/// What a step returns.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The documented result.
    pub result: Value,
    /// Whether a host is missing from the results.
    pub partial: bool,
    /// Remarks by target name.
    pub notes: Vec<(String, String)>,
}

/// The targets, and what has become of each. `K` is how the fleet manager identifies a host.
#[derive(Debug)]
pub struct Tally<K> {
    names: Vec<String>,
    /// For each name, the host it stands for or why there is none.
    fates: Vec<Fate<K>>,
    hosts: HashMap<K, Host>,
    answered: usize,
    online: Option<usize>,
}

#[derive(Debug)]
enum Fate<K> {
    Unresolved,
    Failed(String),
    Host(K),
}

#[derive(Debug)]
struct Host {
    /// Where its names stand among the targets.
    names: Vec<usize>,
    sighting: Sighting,
    answer: Option<Answer>,
}

/// What the fleet manager knows of a host before it is asked.
#[derive(Debug, Clone, Default)]
pub struct Sighting {
    /// Which host it is, and whether it can be expected to answer.
    pub state: String,
    /// What to say if it never answers.
    pub excuse: String,
}

/// What a host said.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Rows, perhaps none.
    Rows(Vec<Row>),
    /// Why there are none.
    Failed(String),
    /// Nothing, and there is no point in waiting on.
    TimedOut(String),
}

impl<K: Clone + Eq + std::hash::Hash> Tally<K> {
    /// Nobody is resolved yet.
    pub fn new(targets: &TargetHosts) -> Self {
        let names = targets.names().to_vec();
        let fates = names.iter().map(|_| Fate::Unresolved).collect();
        Self {
            names,
            fates,
            hosts: HashMap::new(),
            answered: 0,
            online: None,
        }
    }

    /// The target at `index` is this host.
    pub fn resolve(&mut self, index: usize, host: K, sighting: Sighting) {
        let known = self.hosts.entry(host.clone()).or_insert_with(|| Host {
            names: Vec::new(),
            sighting,
            answer: None,
        });
        known.names.push(index);
        self.fates[index] = Fate::Host(host);
    }

    /// The target at `index` cannot be asked.
    pub fn refuse(&mut self, index: usize, reason: String) {
        self.fates[index] = Fate::Failed(reason);
    }

    /// So many of the hosts are online, says the fleet manager.
    pub fn found_online(&mut self, hosts: usize) {
        self.online = Some(hosts);
    }

    /// How many of the hosts were online when they were looked up, if that is known.
    pub fn online(&self) -> Option<usize> {
        self.online
    }

    /// Counts an answer. The first answer of a host counts; a host that was not asked is not counted.
    pub fn answer(&mut self, host: &K, answer: Answer) -> bool {
        match self.hosts.get_mut(host) {
            Some(asked) if asked.answer.is_none() => {
                asked.answer = Some(answer);
                self.answered += 1;
                true
            }
            _ => false,
        }
    }

    /// Whether this host was asked.
    pub fn knows(&self, host: &K) -> bool {
        self.hosts.contains_key(host)
    }

    /// Whether this host has yet to answer.
    pub fn awaits(&self, host: &K) -> bool {
        self.hosts.get(host).is_some_and(|asked| asked.answer.is_none())
    }

    /// What to say of this host if it never answers; none once it has.
    pub fn excuse(&self, host: &K) -> Option<&str> {
        let asked = self.hosts.get(host).filter(|asked| asked.answer.is_none())?;
        Some(&asked.sighting.excuse)
    }

    /// The targets that mean this host, as they are written.
    pub fn names(&self, host: &K) -> impl Iterator<Item = &str> {
        let asked = self.hosts.get(host).into_iter();
        asked.flat_map(|asked| asked.names.iter().map(|index| self.names[*index].as_str()))
    }

    /// What is known of each target before anybody is asked: which host it is, or why it cannot be asked.
    pub fn prospects(&self) -> impl Iterator<Item = (&str, Result<&str, &str>)> {
        self.names.iter().zip(&self.fates).map(|(name, fate)| {
            let prospect = match fate {
                Fate::Host(host) => Ok(self.hosts[host].sighting.state.as_str()),
                Fate::Failed(reason) => Err(reason.as_str()),
                Fate::Unresolved => Err("not looked up"),
            };
            (name.as_str(), prospect)
        })
    }

    /// How many hosts have answered.
    pub fn answered(&self) -> usize {
        self.answered
    }

    /// How many hosts are asked.
    pub fn asked(&self) -> usize {
        self.hosts.len()
    }

    /// The hosts to ask, in the order of the targets.
    pub fn hosts(&self) -> Vec<K> {
        let mut seen = std::collections::HashSet::new();
        let resolved = self.fates.iter().filter_map(|fate| match fate {
            Fate::Host(host) => Some(host.clone()),
            _ => None,
        });
        resolved.filter(|host| seen.insert(host.clone())).collect()
    }

    /// Fails with the reasons when nobody can be asked.
    pub fn require_hosts(&self) -> Result<(), Failure> {
        if !self.hosts.is_empty() {
            return Ok(());
        }
        let reasons = self.prospects().take(5);
        let reasons: Vec<String> = reasons
            .map(|(name, prospect)| format!("{name}: {}", prospect.unwrap_or_else(|reason| reason)))
            .collect();
        let more = self.names.len().saturating_sub(reasons.len());
        let more = if more > 0 {
            format!("; and {more} more")
        } else {
            String::new()
        };
        let message = format!("none of the target hosts can be asked: {}{more}", reasons.join("; "));
        Err(Failure::new(Kind::NotFound, message)
            .hint("target_hosts takes hostnames, uuids, serial numbers or display names, spelt as the fleet manager shows them"))
    }

    /// Closes the books: whoever has not answered has timed out.
    pub fn finish(mut self) -> Outcome {
        let mut results = Map::new();
        let mut timed_out = Vec::new();
        let mut failed = BTreeMap::new();
        let mut notes = Vec::new();
        for (name, fate) in self.names.into_iter().zip(self.fates) {
            let host = match fate {
                Fate::Host(host) => host,
                Fate::Failed(reason) => {
                    failed.insert(name, reason);
                    continue;
                }
                Fate::Unresolved => {
                    notes.push((name.clone(), "the time was up before it could be looked up".to_owned()));
                    timed_out.push(name);
                    continue;
                }
            };
            let asked = self.hosts.get_mut(&host).expect("every resolved host is entered");
            // A host with several names is counted once and its answer stands under each; the last one may take it.
            asked.names.pop();
            let answer = if asked.names.is_empty() {
                asked.answer.take()
            } else {
                asked.answer.clone()
            };
            match answer {
                Some(Answer::Rows(rows)) => {
                    results.insert(name, rows.into_iter().map(Value::Object).collect());
                }
                Some(Answer::Failed(reason)) => {
                    failed.insert(name, reason);
                }
                Some(Answer::TimedOut(excuse)) => {
                    notes.push((name.clone(), excuse));
                    timed_out.push(name);
                }
                None => {
                    notes.push((name.clone(), asked.sighting.excuse.clone()));
                    timed_out.push(name);
                }
            }
        }
        let partial = !timed_out.is_empty() || !failed.is_empty();
        // `json!` would copy what may be many megabytes.
        let result = [
            ("results", Value::Object(results)),
            ("partial", partial.into()),
            ("timed_out_hosts", timed_out.into()),
            ("failed_hosts", json!(failed)),
        ];
        Outcome {
            result: result.map(|(key, value)| (key.to_owned(), value)).into_iter().collect(),
            partial,
            notes,
        }
    }
}
