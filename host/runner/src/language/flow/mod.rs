//! Where a run can go from each step.
//!
//! Steps run in the order of the file, unless a step names where to go on: `next_true` after it ran and did not fail,
//! `next_false` when its condition does not hold. From there the run goes on in the order of the file again. After the last
//! step a run ends. Steps that would go round in a circle are refused, so no step runs twice.

use crate::language::step::OnFailure;
use crate::language::step::Step;
use crate::text::diagnostic::{Code, Diagnostic, Place, suggestion};
use crate::text::document::Document;

/// The steps' successors.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flow(Vec<FlowNode>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FlowNode {
    next_true: Option<usize>,
    next_false: Option<usize>,
    /// Whether a condition decides whether the step runs.
    gated: bool,
    /// Whether a run goes on after the step failed.
    survives: bool,
    /// Whether the step never runs.
    disabled: bool,
}

/// How a run leaves a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepExit {
    /// The step ran and did not fail, or its condition holds and that is all it is about.
    Done,
    /// Its condition does not hold.
    Barred,
    /// It failed, and the run goes on.
    Failed,
    /// It was never meant to run.
    Skipped,
}

impl Flow {
    /// Resolves the names of steps. Names of no step, circles and steps that no run reaches are problems.
    pub(crate) fn of(steps: &[Step], document: &Document, problems: &mut Vec<Diagnostic>) -> Self {
        let mut resolve = |step: &Step, key: &str, name: Option<&String>| {
            let name = name?;
            let found = steps.iter().position(|step| step.id == *name);
            if found.is_none() {
                let span = document.span(&format!("{}/{key}", step.pointer));
                problems.push(
                    Diagnostic::error(Code::UnknownStep, format!("there is no step `{name}`"))
                        .at(Place::bytes(document.source().clone(), span))
                        .maybe_hint(suggestion(name, steps.iter().map(|step| step.id.as_str()))),
                );
            }
            found
        };
        let nodes = steps.iter().map(|step| FlowNode {
            next_true: resolve(step, "next_true", step.next_true.as_ref()),
            next_false: resolve(step, "next_false", step.next_false.as_ref()),
            gated: step.gated,
            survives: step.on_failure == OnFailure::Continue,
            disabled: !step.enabled,
        });
        let flow = Self(nodes.collect());
        problems.extend(flow.cycle(steps, document));
        let reached = flow.reachable(0);
        for (step, _) in steps
            .iter()
            .zip(reached)
            .filter(|(step, reached)| step.enabled && !reached)
        {
            let span = document.span(&format!("{}/id", step.pointer));
            problems.push(
                Diagnostic::error(Code::UnreachableStep, format!("no run reaches the step `{}`", step.id))
                    .at(Place::bytes(document.source().clone(), span))
                    .hint("the steps before it always go on elsewhere; name it in a `next_true` or `next_false`, or remove it"),
            );
        }
        flow
    }

    /// The same, with steps that are passed over.
    pub(crate) fn passing_over(&self, passed: impl Fn(usize) -> bool) -> Self {
        let nodes = self.0.iter().enumerate().map(|(at, node)| FlowNode {
            disabled: node.disabled || passed(at),
            ..*node
        });
        Self(nodes.collect())
    }

    /// Where a run goes on; past the last step, it ends.
    pub(crate) fn next(&self, at: usize, exit: StepExit) -> usize {
        let node = &self.0[at];
        let named = match exit {
            StepExit::Done => node.next_true,
            StepExit::Barred => node.next_false,
            StepExit::Failed | StepExit::Skipped => None,
        };
        named.unwrap_or(at + 1)
    }

    /// Where a run goes on if it does so by a name.
    pub(crate) fn named(&self, at: usize, exit: StepExit) -> Option<usize> {
        let next = self.next(at, exit);
        let node = &self.0[at];
        (node.next_true == Some(next) && exit == StepExit::Done
            || node.next_false == Some(next) && exit == StepExit::Barred)
            .then_some(next)
    }

    /// Which steps a run from `start` may come to.
    pub(crate) fn reachable(&self, start: usize) -> Vec<bool> {
        self.walk(start, |_| None)
    }

    /// Which steps a run from `start` may come to. `holds` tells of a step whether its condition does, if that is known; it
    /// is asked once about each step that is reached.
    pub(crate) fn walk(&self, start: usize, mut holds: impl FnMut(usize) -> Option<bool>) -> Vec<bool> {
        let mut reached = vec![false; self.0.len()];
        let mut waiting = vec![start];
        while let Some(at) = waiting.pop() {
            if at < reached.len() && !std::mem::replace(&mut reached[at], true) {
                waiting.extend(self.successors(at, holds(at)));
            }
        }
        reached
    }

    /// Which steps a run may come to that leaves each step in one of these ways, and at last whether it may end; without
    /// one step that it is kept from, if any.
    pub(crate) fn follow(&self, exits: impl Fn(usize) -> Vec<StepExit>, without: Option<usize>) -> Vec<bool> {
        let end = self.0.len();
        let mut reached = vec![false; end + 1];
        let mut waiting = vec![0];
        while let Some(at) = waiting.pop() {
            if Some(at) == without || std::mem::replace(&mut reached[at], true) || at == end {
                continue;
            }
            waiting.extend(exits(at).into_iter().map(|exit| self.next(at, exit)));
        }
        reached
    }

    /// Whether a run can come from one step to another.
    pub(crate) fn leads(&self, from: usize, to: usize) -> bool {
        self.successors(from, None)
            .any(|next| self.reachable(next).get(to) == Some(&true))
    }

    /// The steps that can follow. A disabled step keeps the ways it would have, so that disabling one makes no other
    /// unreachable.
    fn successors(&self, at: usize, holds: Option<bool>) -> impl Iterator<Item = usize> {
        let node = self.0[at];
        let runs = holds != Some(false);
        let exits = [
            (runs, StepExit::Done),
            (node.gated && holds != Some(true), StepExit::Barred),
            (runs && node.survives, StepExit::Failed),
            (node.disabled, StepExit::Skipped),
        ];
        let followed = exits.into_iter().filter(|(possible, _)| *possible);
        followed.map(move |(_, exit)| self.next(at, exit))
    }

    /// A circle, if there is one.
    pub(crate) fn cycle(&self, steps: &[Step], document: &Document) -> Option<Diagnostic> {
        let circle = self.circle()?;
        let id = |at: &usize| format!("`{}`", steps[*at].id);
        let path: Vec<String> = circle.iter().chain(circle.first()).map(id).collect();
        // The way back is what is wrong with a circle, so that is what is shown.
        let (from, to) = circle
            .iter()
            .zip(circle.iter().cycle().skip(1))
            .find(|(from, to)| to <= from)
            .expect("a circle leads back somewhere");
        let key = if self.0[*from].next_true == Some(*to) {
            "next_true"
        } else {
            "next_false"
        };
        let span = document.span(&format!("{}/{key}", steps[*from].pointer));
        Some(
            Diagnostic::error(
                Code::Cycle,
                format!("the steps go round in a circle: {}", path.join(" → ")),
            )
            .at(Place::bytes(document.source().clone(), span))
            .hint("a step runs at most once; go on to a step after this one"),
        )
    }

    /// The steps of a circle, in their order, if there is one.
    fn circle(&self) -> Option<Vec<usize>> {
        let mut finished = vec![false; self.0.len()];
        for start in 0..self.0.len() {
            if finished[start] {
                continue;
            }
            // The steps from `start` to where the search stands, each with the successors that are left to try.
            let mut path: Vec<(usize, Vec<usize>)> = vec![(start, self.successors(start, None).collect())];
            while let Some((at, left)) = path.last_mut() {
                let Some(next) = left.pop() else {
                    finished[*at] = true;
                    path.pop();
                    continue;
                };
                if let Some(begin) = path.iter().position(|(step, _)| *step == next) {
                    let mut circle: Vec<usize> = path[begin..].iter().map(|(step, _)| *step).collect();
                    // Told from its first step in the file.
                    let first = (0..circle.len()).min_by_key(|at| circle[*at]).unwrap_or_default();
                    circle.rotate_left(first);
                    return Some(circle);
                }
                if next < finished.len() && !finished[next] {
                    path.push((next, self.successors(next, None).collect()));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
