//! Which steps a run comes to, as far as that can be told before it.

use serde_json::{Map, Value};

use super::Prospect;
use super::open::names;
use crate::language::condition::{Barrier, Decision};
use crate::language::flow::StepExit;
use crate::language::step::OnFailure;
use crate::run::execution;
use crate::run::prepare::Prepared;
use crate::run::report::{SkipReason, StepStatus};
use crate::text::diagnostic::Diagnostic;

/// The ways that a run can take.
pub(super) struct Way<'p> {
    prepared: &'p Prepared,
    /// What the conditions decide, as far as that is known. One that cannot be asked fails its step.
    pub(super) decisions: Vec<Option<Result<Decision, Diagnostic>>>,
    /// Which steps it may come to, failures included.
    possible: Vec<bool>,
    /// What templates see of the steps that are skipped for certain.
    pub(super) results: Map<String, Value>,
}

/// What is known of whether a step runs.
pub(super) struct StepProspect {
    pub(super) prospect: Prospect,
    pub(super) reason: Option<SkipReason>,
    /// The steps that decide whether the run comes here.
    pub(super) deciders: Vec<String>,
}

impl<'p> Way<'p> {
    pub(super) fn of(prepared: &'p Prepared) -> Self {
        let decisions = prepared.outlooks.iter().map(|outlook| outlook.decision.map(Ok));
        let mut way = Self {
            prepared,
            decisions: decisions.collect(),
            possible: Vec::new(),
            results: Map::new(),
        };
        // That a step is skipped can decide the conditions that look at it, and so more steps.
        loop {
            way.possible = prepared.playbook.flow.follow(|at| way.exits(at, true), None);
            way.results = way.skipped();
            if !way.decide() {
                return way;
            }
        }
    }

    /// Decides the conditions that look at skipped steps only. Whether there were any.
    fn decide(&mut self) -> bool {
        let playbook = self.prepared.playbook.clone();
        let renderer = self.prepared.renderer(&self.results);
        let mut any = false;
        for (at, step) in playbook.steps.iter().enumerate() {
            let due = self.prepared.outlooks[at].skipped.is_none() && self.possible[at] && self.decisions[at].is_none();
            let conditions = step.gate.parts().map(|(_, condition)| &condition.mentions);
            if due && self.is_settled(names(conditions)) {
                self.decisions[at] = Some(step.gate.decide(&playbook.document, &renderer));
                any = true;
            }
        }
        any
    }

    /// Whether the results of these steps, which templates look at, are known before the run: the steps are skipped.
    pub(super) fn is_settled(&self, needs: Option<Vec<String>>) -> bool {
        needs.is_some_and(|needs| needs.iter().all(|step| self.results.contains_key(step)))
    }

    fn skipped(&self) -> Map<String, Value> {
        let steps = self.prepared.playbook.steps.iter().enumerate();
        let skipped = steps.filter(|(at, _)| self.outcome(*at).prospect == Prospect::Skipped);
        skipped
            .map(|(_, step)| (step.id.clone(), execution::entry(StepStatus::Skipped, None)))
            .collect()
    }

    /// Whether a step runs, and why that is so.
    pub(super) fn outcome(&self, at: usize) -> StepProspect {
        let outlook = &self.prepared.outlooks[at];
        let skipped = |reason| StepProspect {
            prospect: Prospect::Skipped,
            reason: Some(reason),
            deciders: Vec::new(),
        };
        let step = &self.prepared.playbook.steps[at];
        match (outlook.skipped, &self.decisions[at]) {
            (Some(reason), _) => return skipped(reason),
            _ if !self.possible[at] => return skipped(SkipReason::NotReached),
            (_, Some(Ok(Decision::Barred(barrier)))) if !step.only_branches() => {
                return skipped(match barrier {
                    Barrier::When => SkipReason::When,
                    Barrier::Condition => SkipReason::Condition,
                });
            }
            _ => {}
        }
        let certain = self.is_certain(at);
        let decided = certain && self.decisions[at].is_some();
        StepProspect {
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
        let playbook = self.prepared.playbook.clone();
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
    fn exits(&self, at: usize, failing: bool) -> Vec<StepExit> {
        let outlook = &self.prepared.outlooks[at];
        if outlook.skipped.is_some() {
            return vec![StepExit::Skipped];
        }
        let step = &self.prepared.playbook.steps[at];
        let mut exits = match &self.decisions[at] {
            Some(Ok(Decision::Runs) | Err(_)) => vec![StepExit::Done],
            Some(Ok(Decision::Barred(_))) => vec![StepExit::Barred],
            None => vec![StepExit::Done, StepExit::Barred],
        };
        if failing && step.on_failure == OnFailure::Continue {
            exits.push(StepExit::Failed);
        }
        exits
    }
}
