//! An account of the targets: each ends in exactly one of results, timed-out hosts and failed hosts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use serde_json::{Map, Value, json};

use super::answer::{Answer, Outcome, Sighting};
use super::targets::TargetHosts;
use crate::contract::{Failure, FailureKind};

/// An account of the targets. `K` is the fleet manager's identifier of a host.
#[derive(Debug)]
pub struct Tally<K> {
    names: Vec<String>,
    /// For each name, the host that it means, or the reason why there is none.
    resolutions: Vec<Resolution<K>>,
    hosts: HashMap<K, AskedHost>,
    answered: usize,
    online: Option<usize>,
}

#[derive(Debug)]
enum Resolution<K> {
    Unresolved,
    Refused(String),
    Host(K),
}

#[derive(Debug)]
struct AskedHost {
    /// The indices of its names among the targets.
    names: Vec<usize>,
    sighting: Sighting,
    answer: Option<Answer>,
}

impl<K: Clone + Eq + Hash> Tally<K> {
    /// Creates an account in which no target is resolved yet.
    pub fn new(targets: &TargetHosts) -> Self {
        let names = targets.names().to_vec();
        let resolutions = names.iter().map(|_| Resolution::Unresolved).collect();
        Self {
            names,
            resolutions,
            hosts: HashMap::new(),
            answered: 0,
            online: None,
        }
    }

    /// Records that the target at `index` is this host.
    pub fn resolve(&mut self, index: usize, host: K, sighting: Sighting) {
        let known = self.hosts.entry(host.clone()).or_insert_with(|| AskedHost {
            names: Vec::new(),
            sighting,
            answer: None,
        });
        known.names.push(index);
        self.resolutions[index] = Resolution::Host(host);
    }

    /// Records that the target at `index` cannot be asked.
    pub fn refuse(&mut self, index: usize, reason: String) {
        self.resolutions[index] = Resolution::Refused(reason);
    }

    /// Records how many hosts the fleet manager reports as online.
    pub fn found_online(&mut self, hosts: usize) {
        self.online = Some(hosts);
    }

    /// Returns how many of the hosts were online when they were looked up, if that is known.
    pub fn online(&self) -> Option<usize> {
        self.online
    }

    /// Counts an answer, and returns whether it counted: only the first answer of a host that was asked does.
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

    /// Returns true if this host was asked.
    pub fn knows(&self, host: &K) -> bool {
        self.hosts.contains_key(host)
    }

    /// Returns true if this host has yet to answer.
    pub fn awaits(&self, host: &K) -> bool {
        self.hosts.get(host).is_some_and(|asked| asked.answer.is_none())
    }

    /// Returns the remark on this host if it never answers, or none once it has answered.
    pub fn excuse(&self, host: &K) -> Option<&str> {
        let asked = self.hosts.get(host).filter(|asked| asked.answer.is_none())?;
        Some(&asked.sighting.excuse)
    }

    /// Returns the targets that mean this host, as they are written.
    pub fn names(&self, host: &K) -> impl Iterator<Item = &str> {
        let asked = self.hosts.get(host).into_iter();
        asked.flat_map(|asked| asked.names.iter().map(|index| self.names[*index].as_str()))
    }

    /// Returns the prospects of each target before any host is asked: the state of its host, or why it cannot be asked.
    pub fn prospects(&self) -> impl Iterator<Item = (&str, Result<&str, &str>)> {
        self.names.iter().zip(&self.resolutions).map(|(name, resolution)| {
            let prospect = match resolution {
                Resolution::Host(host) => Ok(self.hosts[host].sighting.state.as_str()),
                Resolution::Refused(reason) => Err(reason.as_str()),
                Resolution::Unresolved => Err("not looked up"),
            };
            (name.as_str(), prospect)
        })
    }

    /// Returns how many hosts have answered.
    pub fn answered(&self) -> usize {
        self.answered
    }

    /// Returns how many hosts are asked.
    pub fn asked(&self) -> usize {
        self.hosts.len()
    }

    /// Returns the hosts to ask, in the order of the targets.
    pub fn hosts(&self) -> Vec<K> {
        let mut seen = HashSet::new();
        let resolved = self.resolutions.iter().filter_map(|resolution| match resolution {
            Resolution::Host(host) => Some(host.clone()),
            _ => None,
        });
        resolved.filter(|host| seen.insert(host.clone())).collect()
    }

    /// Fails with the reasons if no host can be asked.
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
        Err(Failure::new(FailureKind::NotFound, message)
            .hint("target_hosts takes hostnames, uuids, serial numbers or display names, spelt as the fleet manager shows them"))
    }

    /// Returns the outcome: a host that has not answered has timed out.
    pub fn finish(mut self) -> Outcome {
        let mut results = Map::new();
        let mut timed_out = Vec::new();
        let mut failed = BTreeMap::new();
        let mut notes = Vec::new();
        for (name, resolution) in self.names.into_iter().zip(self.resolutions) {
            let host = match resolution {
                Resolution::Host(host) => host,
                Resolution::Refused(reason) => {
                    failed.insert(name, reason);
                    continue;
                }
                Resolution::Unresolved => {
                    notes.push((name.clone(), "the time was up before it could be looked up".to_owned()));
                    timed_out.push(name);
                    continue;
                }
            };
            let asked = self.hosts.get_mut(&host).expect("every resolved host was entered");
            // The answer of a host with several names is entered under each; the last of them may take it.
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
