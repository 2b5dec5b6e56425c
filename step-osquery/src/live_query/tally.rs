//! The targets and their hosts: which of them can be asked, have answered, or are still awaited.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::answer::{Outcome, Sighting};
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
    standing: Standing,
}

#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Awaited,
    Answered,
    /// It does not answer, for this reason.
    GivenUp(String),
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
        self.forget(index);
        let known = self.hosts.entry(host.clone()).or_insert_with(|| AskedHost {
            names: Vec::new(),
            sighting,
            standing: Standing::Awaited,
        });
        known.names.push(index);
        self.resolutions[index] = Resolution::Host(host);
    }

    /// Records that the target at `index` cannot be asked.
    pub fn refuse(&mut self, index: usize, reason: String) {
        self.forget(index);
        self.resolutions[index] = Resolution::Refused(reason);
    }

    /// Takes a target from the host that it was resolved to: it must not have an answer of that host and another fate, too.
    fn forget(&mut self, index: usize) {
        if let Resolution::Host(host) = &self.resolutions[index]
            && let Some(asked) = self.hosts.get_mut(host)
        {
            asked.names.retain(|name| *name != index);
        }
    }

    /// Records how many hosts the fleet manager reports as online.
    pub fn found_online(&mut self, hosts: usize) {
        self.online = Some(hosts);
    }

    /// Returns how many of the hosts were online when they were looked up, if that is known.
    pub fn online(&self) -> Option<usize> {
        self.online
    }

    /// Records that a host has answered. Returns true if it was awaited.
    pub fn answered_by(&mut self, host: &K) -> bool {
        self.settle(host, Standing::Answered)
    }

    /// Records that there is no point in waiting longer for a host. Returns true if it was awaited.
    pub fn give_up(&mut self, host: &K, excuse: String) -> bool {
        self.settle(host, Standing::GivenUp(excuse))
    }

    fn settle(&mut self, host: &K, standing: Standing) -> bool {
        match self.hosts.get_mut(host) {
            Some(asked) if asked.standing == Standing::Awaited => {
                asked.standing = standing;
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
        self.hosts
            .get(host)
            .is_some_and(|asked| asked.standing == Standing::Awaited)
    }

    /// Returns the remark on this host if it never answers, or none once it has answered.
    pub fn excuse(&self, host: &K) -> Option<&str> {
        let asked = self
            .hosts
            .get(host)
            .filter(|asked| asked.standing == Standing::Awaited)?;
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

    /// Returns the targets that cannot be asked, each with the reason.
    pub fn refused(&self) -> impl Iterator<Item = (&str, &str)> {
        let targets = self.names.iter().zip(&self.resolutions);
        targets.filter_map(|(name, resolution)| match resolution {
            Resolution::Refused(reason) => Some((name.as_str(), reason.as_str())),
            _ => None,
        })
    }

    /// Returns how many hosts have answered or were given up.
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

    /// Returns the outcome: a remark on each target that has neither answered nor failed.
    pub fn finish(self) -> Outcome {
        let targets = self.names.into_iter().zip(self.resolutions);
        let notes = targets.filter_map(|(name, resolution)| {
            let excuse = match resolution {
                Resolution::Refused(_) => return None,
                Resolution::Unresolved => "the time was up before it could be looked up".to_owned(),
                Resolution::Host(host) => match &self.hosts[&host] {
                    AskedHost {
                        standing: Standing::Answered,
                        ..
                    } => return None,
                    AskedHost {
                        standing: Standing::GivenUp(excuse),
                        ..
                    } => excuse.clone(),
                    AskedHost { sighting, .. } => sighting.excuse.clone(),
                },
            };
            Some((name, excuse))
        });
        Outcome { notes: notes.collect() }
    }
}
