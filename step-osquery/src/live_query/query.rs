//! A live query under way, whichever fleet manager is asked.

use std::cell::RefCell;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};

use super::answer::{Answer, Outcome};
use super::question::Question;
use super::tally::Tally;
use crate::contract::{Deadline, Failure, FailureKind, Finding, Level, Services};
use crate::server::{Api, Session};

/// A live query under way.
pub(crate) struct LiveQuery<'a, S, A: Api> {
    pub(crate) session: Session<'a, S, A>,
    pub(crate) services: &'a S,
    /// The targets, as the playbook names them.
    pub(crate) names: &'a [String],
    pub(crate) sql: &'a str,
    deadline: Deadline,
    pub(crate) tally: RefCell<Tally<A::HostId>>,
}

impl<'a, S: Services, A: Api> LiveQuery<'a, S, A> {
    /// Begins the query, and with it the step's time limit.
    pub(crate) fn begin(services: &'a S, question: &'a Question) -> Self {
        let deadline = Deadline::after(services.monotonic(), question.timeout.duration());
        Self {
            session: Session::new(services, &question.base_url, &question.credentials, deadline),
            services,
            names: question.targets.names(),
            sql: question.sql.as_str(),
            deadline,
            tally: RefCell::new(Tally::new(&question.targets)),
        }
    }

    /// Returns the time that is left of the step's.
    pub(crate) fn time_left(&self) -> Duration {
        self.deadline.left(self.services.monotonic())
    }

    /// Publishes the first answer of a host that was asked, and reports the progress.
    pub(crate) fn count(&self, host: &A::HostId, answer: Answer) {
        let mut tally = self.tally.borrow_mut();
        let counts = match &answer {
            Answer::TimedOut(excuse) => tally.give_up(host, excuse.clone()),
            Answer::Rows(_) | Answer::Failed(_) => tally.answered_by(host),
        };
        if counts {
            let (answered, asked) = (tally.answered(), tally.asked());
            drop(tally);
            self.publish(host, answer);
            self.report_progress(answered, asked);
        } else if !tally.knows(host) {
            self.services.log(
                Level::Debug,
                &format!("dropped an answer of host {host}, which was not asked"),
            );
        }
    }

    /// Reports how many hosts have answered, and how many can be expected to.
    pub(crate) fn report_progress(&self, answered: usize, asked: usize) {
        let online = self.tally.borrow().online();
        let online = online.map(|hosts| format!(", {hosts} online")).unwrap_or_default();
        self.services.progress(
            answered,
            asked,
            &format!("{answered} of {asked} hosts answered{online}"),
        );
    }

    /// Publishes an answer under each name of its host.
    pub(crate) fn publish(&self, host: &A::HostId, answer: Answer) {
        let entry = match answer {
            Answer::Rows(rows) => Ok(serde_json::to_string(&rows).expect("rows are maps with text keys")),
            Answer::Failed(reason) => Err(reason),
            Answer::TimedOut(_) => return,
        };
        for name in self.tally.borrow().names(host) {
            self.services.publish(name, entry.clone());
        }
    }

    /// Fails if no host can be asked. Publishes why those targets fail that cannot be.
    pub(crate) fn require_hosts(&self) -> Result<(), Failure> {
        let tally = self.tally.borrow();
        tally.require_hosts()?;
        for (name, reason) in tally.refused() {
            self.services.publish(name, Err(reason.to_owned()));
        }
        Ok(())
    }

    /// Returns a finding for each target, before any host is asked.
    pub(crate) fn target_findings(&self) -> Vec<Finding> {
        let tally = self.tally.borrow();
        let prospects = tally.prospects();
        let found = prospects.map(|(name, prospect)| match prospect {
            Ok(state) => Finding::new(name.to_owned(), state, true),
            Err(reason) => Finding::new(name.to_owned(), reason, false),
        });
        found.collect()
    }

    /// Returns those of these hosts that have yet to answer.
    pub(crate) fn pending(&self, hosts: &[A::HostId]) -> Vec<A::HostId> {
        let tally = self.tally.borrow();
        hosts.iter().filter(|host| tally.awaits(host)).cloned().collect()
    }

    /// Runs a future, and drops it if the step is asked to stop.
    pub(crate) async fn unless_cancelled<T>(
        &self,
        future: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match select(pin!(future), pin!(self.services.cancellation())).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err(Failure::new(FailureKind::Cancelled, "the step was asked to stop")),
        }
    }

    /// Returns the outcome.
    pub(crate) fn finish(self) -> Outcome {
        self.tally.into_inner().finish()
    }
}
