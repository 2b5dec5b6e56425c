//! What a run would do: the object that `run --dry-run` prints. Its shape is part of the interface.
//!
//! Making a plan sends nothing. It shows what [`Runner::prepare`] rendered and validated, and the texts that plugins make of
//! their templates, which is a call without any network. Secrets are shown by their names.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::language::playbook::PlaybookName;
use crate::language::step::OnFailure;
use crate::language::step::Step;
use crate::run::event::Observer;
use crate::run::prepare::Prepared;
use crate::run::report::{SkipReason, StepError};
use crate::runner::Runner;
use crate::sandbox::finding::Finding;

mod call;
mod inquiry;
mod open;
mod text;
mod way;

use self::call::Planner;
use self::inquiry::Inquiry;
use self::way::Way;

/// What a run would do.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// What would be run.
    pub playbook: PlaybookName,
    /// The moment that the plan is about: what counts from now counts from then.
    pub as_of: Timestamp,
    /// Each step, in the playbook's order.
    pub steps: Vec<PlannedStep>,
}

/// What would become of a step.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PlannedStep {
    /// Its id.
    pub id: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub step_type: String,
    /// Whether it runs.
    pub prospect: Prospect,
    /// Why it is skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<SkipReason>,
    /// The steps whose results its condition waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub condition_needs: Vec<String>,
    /// The steps that decide, when they run, whether the run comes to this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub way_needs: Vec<String>,
    /// What its condition decides, and where the run goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<PlannedBranch>,
    /// What follows a failure: `abort` ends the run, `continue` goes on.
    pub on_failure: &'static str,
    /// How often a failed call may be made again.
    pub retry_max: u32,
    /// How long all of it may take, in seconds, retries and items included.
    pub timeout_seconds: Option<u64>,
    /// The list that it runs for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_each: Option<PlannedItems>,
    /// The calls that it would make: one, or one for each item.
    pub calls: Vec<PlannedCall>,
    /// Why it would fail before its first request.
    pub error: Option<StepError>,
}

/// Whether a step runs, if none before it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Prospect {
    /// It runs.
    Runs,
    /// It does not.
    Skipped,
    /// That is decided during the run.
    Undecided,
}

/// What a condition decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedBranch {
    /// Whether it holds, if that is known.
    pub holds: Option<bool>,
    /// The step to go on with if it holds, where one is named.
    pub next_true: Option<String>,
    /// The step to go on with if it does not, where one is named.
    pub next_false: Option<String>,
}

/// The list that a step runs for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedItems {
    /// How many items it has, if that is known.
    pub items: Option<usize>,
    /// How many may be under way at once.
    pub concurrency: usize,
    /// The steps whose results the list waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

/// A call that a step would make.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct PlannedCall {
    /// The item that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Value>,
    /// The one place that it may send requests to.
    pub server: Option<PlannedServer>,
    /// As whom.
    pub credentials: Option<CredentialMode>,
    /// Whom it is about.
    pub targets: Option<Value>,
    /// The vetted text that it would send.
    pub template: Option<PlannedTemplate>,
    /// How long it may take, in seconds.
    pub time_limit_seconds: Option<u64>,
    /// The other params, as far as they are known. What is not known is shown as it is written.
    pub params: Map<String, Value>,
    /// The params that are not known yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<OpenParam>,
    /// What its server said about it, if it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Vec<Finding>>,
    /// Why it would fail before its first request; or, if its server was asked, why that failed.
    pub error: Option<StepError>,
}

/// A server that a call may reach, and whom it trusts there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedServer {
    /// Scheme, host and port.
    pub origin: String,
    /// Whether its certificate is checked; of no meaning without TLS.
    pub verify_tls: bool,
    /// A file of authorities to trust besides the system's.
    pub ca_file: Option<String>,
}

/// As whom a call is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CredentialMode {
    /// The name to log in with, if it logs in.
    pub username: Option<String>,
    /// What proves it.
    pub secrets: Vec<Credential>,
}

/// A param that holds something secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Credential {
    /// The param.
    pub param: String,
    /// The names of the secrets in it; none if it is no secret's but written in the playbook or given as a variable.
    pub secrets: Vec<String>,
}

/// A template, filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedTemplate {
    /// Its name.
    pub name: String,
    /// The exact text, if its params are known.
    pub text: Option<String>,
    /// Whether the text is another at another time.
    pub time_dependent: bool,
    /// The moments in the text that count from now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<Moment>,
}

/// A moment as it is written in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Moment {
    /// How it is written there.
    pub written: String,
    /// When that is.
    pub time: Timestamp,
}

/// A param that waits for earlier results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OpenParam {
    /// The param.
    pub param: String,
    /// The steps whose results it waits for; empty if the template alone does not tell.
    pub needs: Vec<String>,
}

impl Plan {
    /// Whether something in it would fail: before its first request or, if the servers were asked, for what they say.
    pub fn fails(&self) -> bool {
        let failing = |step: &PlannedStep| step.error.is_some() || step.calls.iter().any(|call| call.error.is_some());
        self.steps.iter().any(failing)
    }

    /// Whether a server was asked, and something that it said is not as it should be.
    pub fn warns(&self) -> bool {
        let calls = self.steps.iter().flat_map(|step| &step.calls);
        let mut found = calls.flat_map(|call| call.found.iter().flatten());
        found.any(|finding| !finding.ok)
    }
}

impl Runner {
    /// What [`Runner::run`] would do with this, as of a moment. Nothing is sent.
    pub async fn plan(&self, prepared: &Prepared, as_of: Timestamp) -> Plan {
        self.make_plan(prepared, as_of, None).await
    }

    /// The same, and asks the server of each call whose params are known whether it could be made. No host is asked
    /// anything, and nothing is changed on a server.
    pub async fn plan_and_check(
        &self,
        prepared: &Prepared,
        as_of: Timestamp,
        cancel: CancellationToken,
        observer: Observer,
    ) -> Plan {
        self.make_plan(prepared, as_of, Some(Inquiry { cancel, observer }))
            .await
    }

    async fn make_plan(&self, prepared: &Prepared, as_of: Timestamp, inquiry: Option<Inquiry>) -> Plan {
        let playbook = prepared.playbook.clone();
        let way = Way::of(prepared);
        let mut planner = Planner {
            runner: self,
            prepared,
            as_of,
            inquiry,
            texts: HashMap::new(),
        };
        let mut steps = Vec::with_capacity(playbook.steps.len());
        for at in 0..playbook.steps.len() {
            steps.push(planner.step(at, &way).await);
        }
        Plan {
            playbook: playbook.title(),
            as_of,
            steps,
        }
    }
}

impl PlannedStep {
    /// A step of which nothing but what is written is known.
    fn of(step: &Step, prospect: Prospect) -> Self {
        Self {
            id: step.id.clone(),
            name: step.name.clone(),
            step_type: step.kind.clone(),
            prospect,
            reason: None,
            condition_needs: Vec::new(),
            way_needs: Vec::new(),
            branch: None,
            on_failure: match step.on_failure {
                OnFailure::Abort => "abort",
                OnFailure::Continue => "continue",
            },
            retry_max: step.retry_max,
            timeout_seconds: step.timeout.map(|limit| limit.as_secs()),
            for_each: None,
            calls: Vec::new(),
            error: None,
        }
    }
}
