//! What scripts change while the server runs.

use super::inventory::HostStatus;
use super::saved::SavedQuery;
use super::server::FleetServer;
use crate::host::{Behaviour, Host};
use crate::osquery::{Row, has_table};

impl FleetServer {
    /// Sets whether a host is there. One that is set offline was last seen hours ago, and goes missing by itself when the
    /// clock has advanced far enough.
    pub fn set_host_status(&self, host: u64, status: HostStatus) -> Result<(), String> {
        let now = self.state.now();
        self.state.hosts.change(host, |host| host.set_status(status, now))
    }

    /// Enrols a host, or many alike, as of now. Returns their ids.
    pub fn enrol(&self, host: &Host) -> Result<Vec<u64>, String> {
        self.state.fleet.team(host.team_id)?;
        let now = self.state.now();
        self.state.hosts.enrol(host, now, now)
    }

    /// Deletes a host and its rows in reports.
    pub fn delete_host(&self, host: u64) -> Result<(), String> {
        self.state.delete_host(host)
    }

    /// Moves a host to a team, or out of all, which deletes its rows in reports.
    pub fn move_host(&self, host: u64, team: Option<u64>) -> Result<(), String> {
        self.state.move_host(host, team)
    }

    /// Replaces the rows of a table on a host.
    pub fn set_rows(&self, host: u64, table: &str, rows: Vec<Row>) -> Result<(), String> {
        if !has_table(table) {
            return Err(format!("there is no table `{table}`"));
        }
        self.state.hosts.change(host, |host| host.set_rows(table, rows))
    }

    /// Saves a query and returns its id.
    pub fn add_saved_query(&self, query: SavedQuery) -> Result<u64, String> {
        self.state.add_saved_query(query)
    }

    /// Changes a saved query. If it means something else afterwards, or is stored no more, its report is deleted.
    pub fn edit_saved_query(&self, query: u64, edit: impl FnOnce(&mut SavedQuery)) -> Result<(), String> {
        self.state.queries().edit(query, edit, self.state.now())
    }

    /// Deletes a saved query and its report.
    pub fn delete_saved_query(&self, query: u64) -> Result<(), String> {
        self.state.queries().delete(query)
    }

    /// Lets these hosts run a saved query as its interval would have them do, and stores the rows that come of it. A host
    /// that fails, or is silent, sends none, and what it sent before stays.
    ///
    /// Times in a report are whole seconds, and those of a host differ: each run within a second after another is a second
    /// later, even if the server's clock is not there yet.
    pub async fn run_saved_query(&self, query: u64, hosts: &[u64]) -> Result<(), String> {
        let described = self.state.queries().get_mut(query)?.query.clone();
        if described.interval == 0 {
            return Err(format!("`{}` has no interval and never runs", described.name));
        }
        let mut running = Vec::new();
        for id in hosts {
            let host = self.state.hosts.get(*id);
            let host = host.ok_or_else(|| format!("there is no host {id}"))?;
            if described.team_id.is_some_and(|team| host.team != Some(team)) {
                return Err(format!("host {id} is not in the team of `{}`", described.name));
            }
            if host.enrolled.host.behaviour != Behaviour::Silent {
                running.push(host);
            }
        }
        let run = move || {
            let answers = running.into_iter().map(|host| {
                let answer = host.enrolled.answer(&described.query);
                Some((host.id(), answer.ok()?))
            });
            answers.flatten().collect()
        };
        let answers: Vec<(u64, Vec<Row>)> = self.state.hosts.workers.run(run).await;
        self.state.store(query, answers)
    }

    /// Whether the rows of saved queries are stored, from now on. Their runs are counted in any case.
    pub fn set_stores_reports(&self, stores: bool) {
        self.state.lock().loses_reports = !stores;
    }

    /// Moves the server's clock, back if the number is negative.
    pub fn advance_clock(&self, seconds: i64) {
        self.state.front.clock.advance(seconds);
        if seconds < 0 {
            for saved in self.state.queries().all_mut() {
                saved.report.forget_times();
            }
        }
    }
}
