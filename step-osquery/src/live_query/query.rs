//! The step `osquery_live_query`.

use std::cell::RefCell;
use std::pin::pin;

use futures::future::{Either, select};

use crate::contract::Finding;
use crate::contract::{Deadline, Level, Services};
use crate::contract::{Failure, Kind};
use crate::exports::Params;
use crate::live_query::{Answer, Outcome, Tally};
use crate::server::session::{Api, Session};

/// The name that playbooks use.
pub const NAME: &str = "osquery_live_query";

/// One line for people.
pub const SUMMARY: &str =
    "Runs a vetted osquery statement on the given hosts, through FleetDM or osctrl, and returns rows for each host";

/// JSON Schema of the params.
pub const PARAMS_SCHEMA: &str = include_str!("../../../schemas/osquery_live_query.params.schema.json");

/// JSON Schema of the result.
pub const RESULT_SCHEMA: &str = include_str!("../../../schemas/osquery_live_query.result.schema.json");

/// Runs the step. Params are checked completely before anything is sent.
pub async fn run<S: Services>(services: &S, params: &str) -> Result<Outcome, Failure> {
    let params = Params::parse(params, services.now())?;
    params.backend.ask(Asked::now(services, &params)).await
}

/// Looks whether the step could run: as whom it logs in, whether that suffices, and which hosts the targets are. Asks no host.
pub async fn check<S: Services>(services: &S, params: &str) -> Result<Vec<Finding>, Failure> {
    let params = Params::parse(params, services.now())?;
    params.backend.check(Asked::now(services, &params)).await
}

/// What is asked, before it is known how its server identifies hosts.
pub(crate) struct Asked<'a, S> {
    services: &'a S,
    params: &'a Params,
    deadline: Deadline,
}

impl<'a, S: Services> Asked<'a, S> {
    /// The time begins.
    fn now(services: &'a S, params: &'a Params) -> Self {
        Self {
            services,
            params,
            deadline: Deadline::after(services, params.timeout.duration()),
        }
    }

    pub(crate) fn begin<A: Api>(self) -> LiveQuery<'a, S, A> {
        let Self {
            services,
            params,
            deadline,
        } = self;
        LiveQuery {
            session: Session::new(services, &params.base_url, &params.credentials, deadline),
            services,
            names: params.targets.names(),
            sql: params.sql.as_str(),
            deadline,
            tally: RefCell::new(Tally::new(&params.targets)),
        }
    }
}

/// A live query under way.
pub(crate) struct LiveQuery<'a, S, A: Api> {
    pub(crate) session: Session<'a, S, A>,
    pub(crate) services: &'a S,
    /// The targets, as the playbook names them.
    pub(crate) names: &'a [String],
    pub(crate) sql: &'a str,
    pub(crate) deadline: Deadline,
    pub(crate) tally: RefCell<Tally<A::HostId>>,
}

impl<S: Services, A: Api> LiveQuery<'_, S, A> {
    /// Counts an answer and tells how far we are.
    pub(crate) fn count(&self, host: &A::HostId, answer: Answer) {
        let part = self.part(&answer);
        let mut tally = self.tally.borrow_mut();
        if tally.answer(host, answer) {
            let (answered, asked) = (tally.answered(), tally.asked());
            drop(tally);
            self.tell_part(host, part);
            self.tell(answered, asked);
        } else if !tally.knows(host) {
            self.services.log(
                Level::Debug,
                &format!("dropped an answer of host {host}, which was not asked"),
            );
        }
    }

    /// Tells how many hosts have answered, and how many can be expected to.
    pub(crate) fn tell(&self, answered: usize, asked: usize) {
        let online = self.tally.borrow().online();
        let online = online.map(|hosts| format!(", {hosts} online")).unwrap_or_default();
        self.services.progress(
            answered,
            asked,
            &format!("{answered} of {asked} hosts answered{online}"),
        );
    }

    /// What an answer is as a piece of the result, if anybody wants those.
    pub(crate) fn part(&self, answer: &Answer) -> Option<Result<String, String>> {
        match answer {
            _ if !self.services.parts_wanted() => None,
            Answer::Rows(rows) => Some(Ok(serde_json::to_string(rows).expect("rows are maps with text keys"))),
            Answer::Failed(reason) => Some(Err(reason.clone())),
            Answer::TimedOut(_) => None,
        }
    }

    /// Tells a piece of the result under each name of its host.
    pub(crate) fn tell_part(&self, host: &A::HostId, part: Option<Result<String, String>>) {
        let Some(part) = part else { return };
        for name in self.tally.borrow().names(host) {
            self.services.part(name, part.clone());
        }
    }

    /// What is known of each target before anybody is asked.
    pub(crate) fn targets(&self) -> Vec<Finding> {
        let tally = self.tally.borrow();
        let prospects = tally.prospects();
        let found = prospects.map(|(name, prospect)| match prospect {
            Ok(state) => Finding::new(name.to_owned(), state, true),
            Err(reason) => Finding::new(name.to_owned(), reason, false),
        });
        found.collect()
    }

    /// Which of these hosts have yet to answer.
    pub(crate) fn pending(&self, hosts: &[A::HostId]) -> Vec<A::HostId> {
        let tally = self.tally.borrow();
        hosts.iter().filter(|host| tally.awaits(host)).cloned().collect()
    }

    /// Runs this unless the step is asked to stop; then it is dropped.
    pub(crate) async fn unless_cancelled<T>(
        &self,
        future: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match select(pin!(future), pin!(self.services.cancellation())).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err(Failure::new(Kind::Cancelled, "the step was asked to stop")),
        }
    }

    /// Closes the books.
    pub(crate) fn finish(self) -> Outcome {
        self.tally.into_inner().finish()
    }
}
