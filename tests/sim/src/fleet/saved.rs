//! Saved queries, which 4.82.0 renamed to reports.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::report::Report;

/// A query that hosts run again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SavedQuery {
    /// Its name, which no other query of the team has.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The statement.
    pub query: String,
    /// The team whose hosts run it; all hosts, if not given.
    pub team_id: Option<u64>,
    /// How often it runs, in seconds. Never, if 0.
    pub interval: u64,
    /// Platforms with commas between them; all, if empty.
    pub platform: String,
    /// The version of osquery that it needs.
    pub min_osquery_version: String,
    /// Whether rows are also sent elsewhere.
    pub automations_enabled: bool,
    /// What hosts send of the rows.
    pub logging: Logging,
    /// Whether Fleet stores no rows.
    pub discard_data: bool,
    /// Whether observers may run it.
    pub observer_can_run: bool,
}

impl Default for SavedQuery {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            query: String::new(),
            team_id: None,
            interval: 3_600,
            platform: String::new(),
            min_osquery_version: String::new(),
            automations_enabled: false,
            logging: Logging::Snapshot,
            discard_data: false,
            observer_can_run: false,
        }
    }
}

/// What hosts send of the rows that a saved query returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Logging {
    /// All of them. Only these are stored.
    Snapshot,
    /// What changed.
    Differential,
    /// What was added.
    DifferentialIgnoreRemovals,
}

impl SavedQuery {
    /// Whether Fleet keeps the rows.
    pub(super) fn is_stored(&self) -> bool {
        !self.discard_data && self.logging == Logging::Snapshot
    }

    /// Whether hosts of this platform run it, as the filter of lists names platforms.
    pub(super) fn runs_on(&self, platform: &str) -> bool {
        self.platform.is_empty() || self.platform.split(',').any(|listed| listed == platform)
    }

    /// Whether rows that were stored before mean something else now.
    fn outdates(&self, before: &Self) -> bool {
        let meaning = |query: &Self| {
            let Self {
                query,
                platform,
                min_osquery_version,
                ..
            } = query.clone();
            (query, platform, min_osquery_version)
        };
        meaning(self) != meaning(before) || !self.is_stored()
    }
}

/// A saved query with what became of it.
pub(super) struct Saved {
    pub(super) id: u64,
    pub(super) query: SavedQuery,
    pub(super) report: Report,
    pub(super) executions: u64,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
}

impl Saved {
    /// As lists and single reads show it; `renamed` if teams are fleets.
    pub(super) fn body(&self, renamed: bool) -> Value {
        let ran = |number: f64| Some(number).filter(|_| self.executions > 0);
        let mut body = json!({
            "created_at": self.created.to_string(),
            "updated_at": self.updated.to_string(),
            "id": self.id,
            "saved": true,
            "author_id": 1,
            "author_name": "Sweep Bot",
            "author_email": "sweep-bot@corp.example",
            "packs": [],
            "stats": {
                "system_time_p50": ran(1.5),
                "system_time_p95": ran(4.25),
                "user_time_p50": ran(2.0),
                "user_time_p95": ran(7.5),
                "total_executions": Some(self.executions).filter(|number| *number > 0),
            },
        });
        if let (Value::Object(body), Ok(Value::Object(described))) = (&mut body, serde_json::to_value(&self.query)) {
            body.extend(described);
        }
        if renamed {
            body["fleet_id"] = json!(self.query.team_id);
        }
        body
    }
}

/// All saved queries, in the order of their ids.
#[derive(Default)]
pub(super) struct SavedQueries {
    all: Vec<Saved>,
    /// How many ids were given. No id is given again.
    given: u64,
}

impl SavedQueries {
    pub(super) fn all(&self) -> &[Saved] {
        &self.all
    }

    pub(super) fn all_mut(&mut self) -> &mut [Saved] {
        &mut self.all
    }

    pub(super) fn get(&self, id: u64) -> Option<&Saved> {
        self.all.iter().find(|saved| saved.id == id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Result<&mut Saved, String> {
        let found = self.all.iter_mut().find(|saved| saved.id == id);
        found.ok_or_else(|| format!("there is no saved query {id}"))
    }

    /// Saves a query and returns its id.
    pub(super) fn add(&mut self, query: SavedQuery, now: Timestamp) -> Result<u64, String> {
        let taken = |saved: &Saved| saved.query.name == query.name && saved.query.team_id == query.team_id;
        if query.name.is_empty() || self.all.iter().any(taken) {
            return Err(format!("a saved query cannot be called `{}`", query.name));
        }
        self.given += 1;
        self.all.push(Saved {
            id: self.given,
            query,
            report: Report::default(),
            executions: 0,
            created: now,
            updated: now,
        });
        Ok(self.given)
    }

    /// Changes a query. Stored rows of which it is not known that they would be the same are deleted.
    pub(super) fn edit(&mut self, id: u64, edit: impl FnOnce(&mut SavedQuery), now: Timestamp) -> Result<(), String> {
        let saved = self.get_mut(id)?;
        let before = saved.query.clone();
        edit(&mut saved.query);
        saved.updated = now;
        if saved.query.outdates(&before) {
            saved.report.clear();
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, id: u64) -> Result<(), String> {
        self.get_mut(id)?;
        self.all.retain(|saved| saved.id != id);
        Ok(())
    }
}
