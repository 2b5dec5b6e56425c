//! Which steps a run comes to, as far as that can be told before it.

use super::Prospect;
use crate::condition::{Barrier, Decision};
use crate::flow::Exit;
use crate::playbook::OnFailure;
use crate::prepare::Prepared;
use crate::report::SkipReason;

/// The ways that a run can take.
pub(super) struct Way<'p> {
    prepared: &'p Prepared<'p>,
    /// Which steps it may come to, failures included.
    possible: Vec<bool>,
}

/// What is known of whether a step runs.
pub(super) struct Outcome {
    pub(super) prospect: Prospect,
    pub(super) reason: Option<SkipReason>,
    /// The steps that decide whether the run comes here.
    pub(super) deciders: Vec<String>,
}

impl<'p> Way<'p> {
    pub(super) fn of(prepared: &'p Prepared<'p>) -> Self {
        let mut way = Self {
            prepared,
            possible: Vec::new(),
        };
        way.possible = prepared.playbook.flow.follow(|at| way.exits(at, true), None);
        way
    }

    /// Whether a step runs, and why that is so.
    pub(super) fn outcome(&self, at: usize) -> Outcome {
        let outlook = &self.prepared.outlooks[at];
        let skipped = |reason| Outcome {
            prospect: Prospect::Skipped,
            reason: Some(reason),
            deciders: Vec::new(),
        };
        let step = &self.prepared.playbook.steps[at];
        match (outlook.passed, outlook.decision) {
            (Some(reason), _) => return skipped(reason),
            _ if !self.possible[at] => return skipped(SkipReason::NotReached),
            (_, Some(Decision::Barred(barrier))) if !step.only_branches() => {
                return skipped(match barrier {
                    Barrier::When => SkipReason::When,
                    Barrier::Condition => SkipReason::Condition,
                });
            }
            _ => {}
        }
        let certain = self.is_certain(at);
        let decided = certain && outlook.decision.is_some();
        Outcome {
            prospect: if decided { Prospect::Runs } else { Prospect::Undecided },
            reason: None,
            deciders: if certain { Vec::new() } else { self.deciders(at) },
        }
    }

    /// Whether every run in which nothing fails comes to a step.
    fn is_certain(&self, at: usize) -> bool {
        let flow = &self.prepared.playbook.flow;
        let round = flow.follow(|at| self.exits(at, false), Some(at));
        !round[self.prepared.playbook.steps.len()]
    }

    /// The steps before this one from which a run can go on in more than one way.
    fn deciders(&self, at: usize) -> Vec<String> {
        let playbook = self.prepared.playbook;
        let forks = |other: usize| {
            let mut next = self
                .exits(other, true)
                .into_iter()
                .map(|exit| playbook.flow.next(other, exit));
            let first = next.next();
            next.any(|next| Some(next) != first)
        };
        let before = |other: usize| other != at && self.possible[other] && playbook.flow.leads(other, at);
        (0..playbook.steps.len())
            .filter(|other| before(*other) && forks(*other))
            .map(|other| playbook.steps[other].id.clone())
            .collect()
    }

    /// The ways in which a run can leave a step and go on.
    fn exits(&self, at: usize, failing: bool) -> Vec<Exit> {
        let outlook = &self.prepared.outlooks[at];
        if outlook.passed.is_some() {
            return vec![Exit::Passed];
        }
        let step = &self.prepared.playbook.steps[at];
        let mut exits = match outlook.decision {
            Some(Decision::Runs) => vec![Exit::Done],
            Some(Decision::Barred(_)) => vec![Exit::Barred],
            None => vec![Exit::Done, Exit::Barred],
        };
        if failing && step.on_failure == OnFailure::Continue {
            exits.push(Exit::Failed);
        }
        exits
    }
}
