//! Keeps the calls of a run while it is under way.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::time::Instant;

use super::{Detail, Outcome, RecordedCall, RecordedItem};
use crate::params::each_text;
use crate::plugin::{PluginError, StepOutcome};
use crate::report::StepError;
use crate::secrets::Vault;
use crate::step_type::StepType;
use crate::transcript::Tape;

/// Keeps the calls of a run.
#[derive(Debug)]
pub(crate) struct Recorder {
    detail: Detail,
    calls: Mutex<Vec<Kept>>,
}

/// A call, with handles and maybe values in its texts.
#[derive(Debug)]
struct Kept {
    /// Its place among the calls: those of the step, of the item, and the attempt.
    order: (usize, usize, u32),
    /// All but what `raw` has.
    call: RecordedCall,
    began: Instant,
    tape: Option<Tape>,
    ended: Option<Result<StepOutcome, StepError>>,
    /// The values that are meant for the server alone and that no secret gave.
    private: Vec<(String, String)>,
}

/// What a call is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    /// The step's place in the playbook.
    pub(crate) at: usize,
    pub(crate) step: &'a str,
    pub(crate) step_type: &'a StepType,
    pub(crate) item: Option<(usize, &'a Value)>,
    pub(crate) attempt: u32,
    pub(crate) params: &'a Value,
}

/// A call that is being kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallTicket(usize);

impl Recorder {
    pub(crate) fn new(detail: Detail) -> Self {
        Self {
            detail,
            calls: Mutex::default(),
        }
    }

    /// A call begins.
    pub(crate) fn begins(&self, about: About<'_>) -> (CallTicket, Option<Tape>) {
        let tape = (self.detail == Detail::Traffic).then(Tape::new);
        let call = RecordedCall {
            step: about.step.to_owned(),
            step_type: about.step_type.name.clone(),
            item: about.item.map(|(index, value)| RecordedItem {
                index,
                value: value.clone(),
            }),
            attempt: about.attempt,
            started_at: crate::clock::now(),
            duration_ms: 0,
            params: about.params.clone(),
            outcome: None,
            transcript: None,
        };
        let mut calls = self.calls();
        calls.push(Kept {
            order: (about.at, about.item.map_or(0, |(index, _)| index), about.attempt),
            call,
            began: Instant::now(),
            tape: tape.clone(),
            ended: None,
            private: private(about),
        });
        (CallTicket(calls.len() - 1), tape)
    }

    /// A call has ended.
    pub(crate) fn ended(&self, ticket: CallTicket, ended: &Result<StepOutcome, PluginError>) {
        let ended = match ended {
            Ok(outcome) => Ok(outcome.clone()),
            Err(error) => Err(StepError::from(error)),
        };
        if let Some(kept) = self.calls().get_mut(ticket.0) {
            kept.call.duration_ms = u64::try_from(kept.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            kept.ended = Some(ended);
        }
    }

    /// The calls, without secrets.
    pub(crate) fn finish(self, vault: &Vault) -> Vec<RecordedCall> {
        let mut calls = self.calls.into_inner().unwrap_or_else(PoisonError::into_inner);
        calls.sort_by_key(|kept| kept.order);
        for kept in &mut calls {
            for (param, value) in kept.private.drain(..) {
                // From here on it is a secret like those that a server gives.
                vault.capture(&param, value);
            }
        }
        let masker = vault.masker();
        let finish = |kept: Kept| RecordedCall {
            item: kept.call.item.map(|item| RecordedItem {
                value: masker.mask_json(&item.value),
                ..item
            }),
            params: masker.mask_json(&kept.call.params),
            outcome: kept.ended.map(|ended| Outcome::of(&ended, masker.redactor())),
            transcript: kept.tape.map(|tape| tape.finish(&masker)),
            ..kept.call
        };
        calls.into_iter().map(finish).collect()
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The texts in params that are meant for the server alone, where no secret gave them: a password written in the playbook.
fn private(about: About<'_>) -> Vec<(String, String)> {
    let params = about.params.as_object().into_iter().flatten();
    let mut private = Vec::new();
    for (param, value) in params.filter(|(param, _)| about.step_type.params.is_write_only(param)) {
        each_text(value, "", &mut |_, text| {
            if !Vault::contains_handle(text) && !text.is_empty() {
                private.push((param.clone(), text.to_owned()));
            }
        });
    }
    private
}
