//! Keeps the calls of a run while it is under way.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::time::Instant;

use super::{Detail, RecordedCall, RecordedItem, RecordedOutcome};
use crate::language::playbook::Playbook;
use crate::language::render::{self, Mentions};
use crate::language::step::Step;
use crate::run::about::About;
use crate::run::prepare::Prepared;
use crate::run::report::{CallFailure, StepError};
use crate::sandbox::plugin::{StepOutcome, Unfinished};
use crate::sandbox::step_type::StepType;
use crate::sandbox::transcript::{Room, Tape};
use crate::secrets::Vault;
use crate::text::json::{each_text, escape_key};
use crate::text::schema::Schema;

/// Keeps the calls of a run.
pub(crate) struct Recorder {
    detail: Detail,
    calls: Mutex<Vec<Kept>>,
    /// What the transcripts may hold together.
    room: Room,
}

/// A call, with handles and maybe values in its texts.
struct Kept {
    /// Its place among the calls: those of the step, of the item, and the attempt.
    order: (usize, usize, u32),
    /// The call; how it ended is beside it.
    call: RecordedCall,
    began: Instant,
    tape: Option<Tape>,
    ended: Option<Result<StepOutcome, CallFailure>>,
    /// The values that are meant for the server alone and that no secret gave.
    private: Vec<(String, String)>,
}

/// A call that is being kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallTicket(usize);

impl Recorder {
    pub(crate) fn new(detail: Detail) -> Self {
        Self {
            detail,
            calls: Mutex::default(),
            room: Room::default(),
        }
    }

    /// A call begins.
    pub(crate) fn begins(&self, about: About<'_>) -> (CallTicket, Option<Tape>) {
        let tape = (self.detail == Detail::Traffic).then(|| Tape::new(self.room.clone()));
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
            params: without_private(&about.step_type.params, about.params),
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
            private: private(&about.step_type.params, about.params.as_object().into_iter().flatten()),
        });
        (CallTicket(calls.len() - 1), tape)
    }

    /// A call has ended.
    pub(crate) fn ended(&self, ticket: CallTicket, ended: &Result<StepOutcome, Unfinished>) {
        let ended = match ended {
            Ok(outcome) => Ok(outcome.clone()),
            Err(unfinished) => Err(CallFailure {
                error: StepError::from(&unfinished.error),
                outcome: unfinished.outcome.clone(),
            }),
        };
        if let Some(kept) = self.calls().get_mut(ticket.0) {
            kept.call.duration_ms = u64::try_from(kept.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            kept.ended = Some(ended);
        }
    }

    /// Hides what a step is written to give to its server alone, whether or not it ran.
    pub(crate) fn hide_written(prepared: &Prepared, step: &Step, step_type: &StepType) {
        let vault = &prepared.vault;
        for (param, text) in private(&step_type.params, &step.params) {
            hide(vault, &param, &text);
        }
        let looked_at: HashMap<&str, &Mentions> = step.mentions().collect();
        for (param, value) in of_the_server(&step_type.params, &step.params) {
            let pointer = format!("{}/params/{}", step.pointer, escape_key(param));
            each_text(value, &pointer, &mut |pointer, text| {
                for part in parts(text, looked_at.get(pointer).copied(), prepared, step) {
                    hide(vault, param, &part);
                }
            });
        }
    }

    /// The calls, without secrets.
    pub(crate) fn finish(self, vault: &Vault) -> Vec<RecordedCall> {
        let mut calls = self.calls.into_inner().unwrap_or_else(PoisonError::into_inner);
        calls.sort_by_key(|kept| kept.order);
        for kept in &mut calls {
            for (param, text) in kept.private.drain(..) {
                hide(vault, &param, &text);
            }
        }
        let masker = vault.masker();
        let finish = |kept: Kept| RecordedCall {
            item: kept.call.item.map(|item| RecordedItem {
                value: masker.mask_json(&item.value),
                ..item
            }),
            params: masker.mask_json(&kept.call.params),
            outcome: kept.ended.map(|ended| RecordedOutcome::of(&ended, masker.redactor())),
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
fn private<'p>(schema: &Schema, params: impl IntoIterator<Item = (&'p String, &'p Value)>) -> Vec<(String, String)> {
    let mut private = Vec::new();
    for (param, value) in of_the_server(schema, params) {
        each_text(value, "", &mut |_, text| {
            if !Vault::contains_handle(text) && !render::is_template(text) && !text.is_empty() {
                private.push((param.clone(), text.to_owned()));
            }
        });
    }
    private
}

/// Params without the texts that are meant for the server alone, however common they are.
fn without_private(schema: &Schema, params: &Value) -> Value {
    fn remove(value: &mut Value, param: &str) {
        match value {
            Value::String(text) if !Vault::contains_handle(text) => *text = removed(param),
            Value::Array(items) => items.iter_mut().for_each(|item| remove(item, param)),
            Value::Object(map) => map.values_mut().for_each(|value| remove(value, param)),
            _ => {}
        }
    }
    let mut params = params.clone();
    for (param, value) in params.as_object_mut().into_iter().flatten() {
        if schema.is_write_only(param) {
            remove(value, param);
        }
    }
    params
}

/// What stands in the place of a text that was meant for the server alone.
fn removed(param: &str) -> String {
    format!("[secret {param}]")
}

/// The text of a playbook without what stands in it for servers alone.
pub(super) fn without_written(playbook: &Playbook, schema: impl Fn(&Step) -> Option<Schema>) -> String {
    let document = &playbook.document;
    let mut places: Vec<(Range<usize>, String)> = Vec::new();
    for step in &playbook.steps {
        let Some(schema) = schema(step) else { continue };
        for (param, value) in of_the_server(&schema, &step.params) {
            let pointer = format!("{}/params/{}", step.pointer, escape_key(param));
            each_text(value, &pointer, &mut |pointer, text| {
                if !render::is_template(text) && !text.is_empty() {
                    places.push((document.span(pointer), Value::from(removed(param)).to_string()));
                }
            });
        }
    }
    places.sort_by_key(|(place, _)| place.start);
    let source = document.source().text();
    let (mut text, mut from) = (String::with_capacity(source.len()), 0);
    for (place, removed) in places {
        // An alias leads to a place that was seen.
        if place.start >= from && !place.is_empty() {
            text.push_str(&source[from..place.start]);
            text.push_str(&removed);
            from = place.end;
        }
    }
    text.push_str(&source[from..]);
    text
}

/// The params that are meant for the server alone.
fn of_the_server<'p>(
    schema: &Schema,
    params: impl IntoIterator<Item = (&'p String, &'p Value)>,
) -> impl Iterator<Item = (&'p String, &'p Value)> {
    params.into_iter().filter(|(param, _)| schema.is_write_only(param))
}

/// What a template without secrets is put together of: a password in parts is as good as one in a piece.
fn parts(template: &str, seen: Option<&Mentions>, prepared: &Prepared, step: &Step) -> Vec<String> {
    let mut parts = Vec::new();
    if !render::is_template(template) || seen.is_some_and(|seen| !seen.secrets.is_empty()) {
        return parts;
    }
    let mut keep = |value: &Value| each_text(value, "", &mut |_, text| parts.push(text.to_owned()));
    for var in seen.iter().flat_map(|seen| &seen.vars) {
        prepared.vars.get(&var.name).into_iter().for_each(&mut keep);
    }
    if seen.is_some_and(|seen| seen.roots.contains("item")) {
        step.for_each.iter().for_each(|list| keep(&list.items));
    }
    parts.retain(|part| !render::is_template(part));
    parts.extend(render::literals(template).map(str::to_owned));
    parts
}

/// From here on a text is a secret like those that a server gives, also as YAML may spell it.
fn hide(vault: &Vault, param: &str, text: &str) {
    if text.contains('\'') {
        vault.hide(param, &text.replace('\'', "''"));
    }
    vault.hide(param, text);
}
