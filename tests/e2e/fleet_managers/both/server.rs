//! A simulated fleet manager of either kind, in some situation.

use sim::Fault;
use sim::fleet::{Fleet, FleetServer};
use sim::osctrl::{Levels, Osctrl, OsctrlServer};

use super::TOKEN;
use super::situations::Case;

/// A fleet manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manager {
    Fleet,
    Osctrl,
}

/// A running one.
pub(super) enum Server {
    Fleet(FleetServer),
    Osctrl(OsctrlServer),
    /// It was stopped: this was its address.
    Nobody(String),
}

impl Server {
    pub(super) async fn start(manager: Manager, case: &Case) -> Self {
        let (token, hosts) = (TOKEN.to_owned(), case.hosts.clone());
        let faults = match &case.fault {
            None => Vec::new(),
            Some((place, times, what)) => vec![Fault {
                query: None,
                path: place.path(manager).into(),
                times: *times,
                what: what.clone(),
            }],
        };
        let server = match manager {
            Manager::Fleet => {
                let role = if case.may_query { "observer_plus" } else { "observer" };
                let fleet = Fleet {
                    token,
                    hosts,
                    faults,
                    role: role.into(),
                    ..Fleet::default()
                };
                Self::Fleet(FleetServer::start(fleet).await.unwrap())
            }
            Manager::Osctrl => {
                let levels = Levels {
                    query: case.may_query,
                    admin: case.may_query,
                    ..Levels::default()
                };
                let osctrl = Osctrl {
                    token,
                    hosts,
                    faults,
                    levels,
                    ..Osctrl::default()
                };
                Self::Osctrl(OsctrlServer::start(osctrl).await.unwrap())
            }
        };
        if case.down {
            // The port is reserved. One that was just given back may be somebody else's by now.
            Self::Nobody("http://127.0.0.1:1".to_owned())
        } else {
            server
        }
    }

    pub(super) fn url(&self) -> &str {
        match self {
            Self::Fleet(server) => server.url(),
            Self::Osctrl(server) => server.url(),
            Self::Nobody(url) => url,
        }
    }

    /// How many queries were started.
    pub(super) fn queries(&self) -> usize {
        match self {
            Self::Fleet(server) => server.campaigns().len(),
            Self::Osctrl(server) => server.queries().len(),
            Self::Nobody(_) => 0,
        }
    }

    /// Returns once nothing runs on the server.
    pub(super) async fn all_ended(&self) {
        match self {
            Self::Fleet(server) => server.all_campaigns_closed().await,
            Self::Osctrl(server) => server.all_queries_ended().await,
            Self::Nobody(_) => {}
        }
    }

    pub(super) fn unknown_paths(&self) -> Vec<String> {
        match self {
            Self::Fleet(server) => server.unknown_paths(),
            Self::Osctrl(server) => server.unknown_paths(),
            Self::Nobody(_) => Vec::new(),
        }
    }
}

/// Where a fault strikes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// Looking up the hosts.
    Lookup,
    /// Starting the query.
    Start,
    /// Reading the answers.
    Answers,
}

impl Place {
    pub(super) fn path(self, manager: Manager) -> &'static str {
        match (self, manager) {
            (Self::Lookup, Manager::Fleet) => "/hosts",
            (Self::Lookup, Manager::Osctrl) => "/nodes/production",
            (Self::Start, Manager::Fleet) => "/reports/run",
            (Self::Start, Manager::Osctrl) => "/queries/production",
            (Self::Answers, Manager::Fleet) => "/results/websocket",
            // The first query of the simulated server.
            (Self::Answers, Manager::Osctrl) => "/results/query_00000000000000000000000000000029",
        }
    }
}
