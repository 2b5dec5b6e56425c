//! Answers in the place of plugins: what a test says that calls return.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::run::about::About;
use crate::sandbox::plugin::{FailureKind, PluginError, StepFailure, StepOutcome, Unfinished};

/// The answers of a test, by step.
#[derive(Debug, Default)]
pub(crate) struct Stubs {
    steps: HashMap<String, Answers>,
    /// The calls that nothing answered.
    unanswered: Mutex<Vec<Unanswered>>,
}

/// The answers for a step's calls.
#[derive(Debug, Clone)]
pub(crate) enum Answers {
    /// For its call, or for that of each item.
    Each(CallAnswers),
    /// For the items of its list, in their order.
    Items(Vec<CallAnswers>),
}

/// The answers for the attempts of a call.
#[derive(Debug, Clone)]
pub(crate) enum CallAnswers {
    /// The same for each.
    All(Stub),
    /// One for each, in their order.
    List(Vec<Stub>),
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) enum Stub {
    Returned(StepOutcome),
    Failed(StepFailure),
    /// It failed, and had published something by then.
    Stopped(StepFailure, StepOutcome),
}

/// A call that a test has no answer for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unanswered {
    pub(crate) step: String,
    /// The item's place in its list, from 0.
    pub(crate) item: Option<usize>,
    pub(crate) attempt: u32,
}

impl Stubs {
    /// Stubs of steps by their ids.
    pub(crate) fn new(steps: HashMap<String, Answers>) -> Self {
        Self {
            steps,
            unanswered: Mutex::default(),
        }
    }

    /// The answer for a call.
    pub(crate) fn answer(&self, about: About<'_>) -> Result<StepOutcome, Unfinished> {
        let item = about.item.map(|(index, _)| index);
        let attempts = self.steps.get(about.step).and_then(|answers| match answers {
            Answers::Each(attempts) => Some(attempts),
            Answers::Items(items) => items.get(item?),
        });
        let nth = usize::try_from(about.attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let stub = attempts.and_then(|attempts| match attempts {
            CallAnswers::All(stub) => Some(stub),
            CallAnswers::List(list) => list.get(nth),
        });
        match stub {
            Some(Stub::Returned(outcome)) => Ok(outcome.clone()),
            Some(Stub::Failed(failure)) => Err(PluginError::from(failure.clone()).into()),
            Some(Stub::Stopped(failure, outcome)) => Err(Unfinished {
                error: failure.clone().into(),
                outcome: Some(outcome.clone()),
            }),
            None => {
                let call = Unanswered {
                    step: about.step.to_owned(),
                    item,
                    attempt: about.attempt,
                };
                self.unanswered
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(call);
                let failure = StepFailure {
                    kind: FailureKind::Internal,
                    message: "the test has no answer for this call".into(),
                    hint: None,
                    acted: false,
                };
                Err(PluginError::from(failure).into())
            }
        }
    }

    /// The calls that were made and that nothing answered.
    pub(crate) fn unanswered(self) -> Vec<Unanswered> {
        self.unanswered.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
