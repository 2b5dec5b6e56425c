//! What a step would do: its calls, one by one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::inquiry::Inquiry;
use super::open::{Partial, names, results, unique};
use super::text::TemplateText;
use super::way::Way;
use super::{
    Credential, CredentialMode, OpenParam, PlannedBranch, PlannedCall, PlannedItems, PlannedServer, PlannedStep,
    PlannedTemplate, Prospect,
};
use crate::language::condition::Decision;
use crate::language::for_each::ForEach;
use crate::language::params::{Rendered, Written};
use crate::language::render::Renderer;
use crate::language::step::Step;
use crate::run::prepare::Prepared;
use crate::run::report::StepError;
use crate::run::report::invalid_input;
use crate::run::work::{Call, Work};
use crate::runner::Runner;
use crate::sandbox::plugin::Plugin;
use crate::sandbox::step_type::StepType;
use crate::text::diagnostic::{Diagnostic, Diagnostics};
use crate::text::schema::{Role, Schema};

/// The roles of params that a planned call tells of by themselves.
const TOLD: [Role; 6] = [
    Role::Username,
    Role::Targets,
    Role::Template,
    Role::TimeoutSeconds,
    Role::VerifyTls,
    Role::CaFile,
];

/// Making a plan.
pub(super) struct Planner<'p> {
    pub(super) runner: &'p Runner,
    pub(super) prepared: &'p Prepared,
    pub(super) as_of: Timestamp,
    /// How to ask the servers, if they are to be asked.
    pub(super) inquiry: Option<Inquiry>,
    /// The texts made so far, by step type, template and params: the items of a list often share one.
    pub(super) texts: HashMap<[String; 3], Result<TemplateText, StepError>>,
}

/// The params of a call, and which of them are not known.
struct Params {
    item: Option<Value>,
    call: Call,
    open: Vec<OpenParam>,
}

impl Planner<'_> {
    pub(super) async fn step(&mut self, at: usize, way: &Way<'_>) -> PlannedStep {
        let playbook = &self.prepared.playbook;
        let (step, outlook) = (&playbook.steps[at], &self.prepared.outlooks[at]);
        let outcome = way.outcome(at);
        let mut planned = PlannedStep {
            reason: outcome.reason,
            way_needs: outcome.deciders,
            ..PlannedStep::of(step, outcome.prospect)
        };
        if step.gated && outlook.skipped.is_none() {
            planned.branch = Some(PlannedBranch {
                holds: match &way.decisions[at] {
                    Some(Ok(decision)) => Some(*decision == Decision::Runs),
                    Some(Err(_)) | None => None,
                },
                next_true: step.next_true.clone(),
                next_false: step.next_false.clone(),
            });
        }
        if outcome.prospect == Prospect::Skipped {
            return planned;
        }
        match &way.decisions[at] {
            Some(Ok(_)) => {}
            Some(Err(problem)) => {
                let message = Diagnostics::from(vec![problem.clone()]).to_string();
                planned.branch = None;
                planned.error = Some(self.masked_error(invalid_input(message)));
                return planned;
            }
            None => {
                let conditions = step.gate.parts();
                planned.condition_needs = unique(conditions.flat_map(|(_, condition)| results(&condition.mentions)));
            }
        }
        if step.only_branches() {
            return planned;
        }
        let (plugin, step_type) = self.runner.provider(&step.kind).expect("`prepare` found it");
        match self.params(at, step_type, way) {
            Ok((items, calls)) => {
                planned.for_each = step.for_each.as_ref().map(|list| PlannedItems {
                    items: items.is_none().then_some(calls.len()),
                    concurrency: list.concurrency,
                    needs: items.unwrap_or_default(),
                });
                for params in calls {
                    let call = self.call(step, plugin, step_type, params).await;
                    planned.calls.push(call);
                }
            }
            Err(error) => planned.error = Some(self.masked_error(error)),
        }
        planned
    }

    /// The params of each call of a step, and what its list waits for, if it does: then there is one call that stands for all.
    fn params(
        &self,
        at: usize,
        step_type: &StepType,
        way: &Way<'_>,
    ) -> Result<(Option<Vec<String>>, Vec<Params>), StepError> {
        let playbook = &self.prepared.playbook;
        let (step, document) = (&playbook.steps[at], &playbook.document);
        let wrong = |found: Vec<Diagnostic>| invalid_input(Diagnostics::from(found).to_string());
        let known = |item: Option<&Value>, call: &Call| Params {
            item: item.cloned(),
            call: call.clone(),
            open: Vec::new(),
        };
        let mut grants = self.prepared.grants(self.runner);
        let mut work = self.prepared.outlooks[at].work.clone();
        if work.is_none() && way.is_settled(names(step.inputs.iter().map(|(_, mentions)| mentions))) {
            let renderer = self.prepared.renderer(&way.results);
            work = Some(Work::render(document, step, step_type, &renderer, &mut grants).map_err(wrong)?);
        }
        match &work {
            Some(Work::Once(call)) => return Ok((None, vec![known(None, call)])),
            Some(Work::Each(items)) => {
                let calls = items.iter().map(|item| known(Some(&item.value), &item.call));
                return Ok((None, calls.collect()));
            }
            None => {}
        }
        let renderer = self.prepared.renderer(&Map::new());
        let written = Written::of_step(document, step, &step_type.params);
        let mut partly =
            |renderer: &Renderer, item: Option<Value>, items: Option<Vec<String>>| -> Result<Params, StepError> {
                let partial = Partial::render(step, &written, renderer, items);
                let partial = partial.map_err(wrong)?;
                let params = Rendered::of(partial.value, &step_type.params);
                let is_open = |param: &str| partial.open.iter().any(|open| open.param == param);
                let granted = match step_type.params.role(Role::Origin).filter(|param| !is_open(param)) {
                    Some(_) => grants.grant(&params),
                    None => Ok(None),
                };
                Ok(Params {
                    item,
                    call: Call { params, granted },
                    open: partial.open,
                })
            };
        let Some(list) = &step.for_each else {
            return Ok((None, vec![partly(&renderer, None, None)?]));
        };
        if let Some(needs) = list_needs(step, list) {
            let call = partly(&renderer, None, Some(needs.clone()))?;
            return Ok((Some(needs), vec![call]));
        }
        let items = list.items(document, &renderer);
        let items = items.map_err(wrong)?;
        let calls = items.into_iter().enumerate();
        let calls =
            calls.map(|(index, item)| partly(&renderer.with_item(&item, index), Some(item.value().clone()), None));
        Ok((None, calls.collect::<Result<_, _>>()?))
    }

    async fn call(&mut self, step: &Step, plugin: &Plugin, step_type: &StepType, params: Params) -> PlannedCall {
        let schema = &step_type.params;
        let Params { item, call: work, open } = params;
        let rendered = &work.params;
        let is_open = |param: &str| open.iter().any(|open| open.param == param);
        let of = |role: Role| schema.role(role).filter(|param| !is_open(param));
        let value = |role: Role| rendered.value.get(of(role)?);
        let mut call = PlannedCall {
            item: item.map(|item| self.masked(&item)),
            credentials: self.credentials(schema, &rendered.value),
            targets: value(Role::Targets).map(|targets| self.masked(targets)),
            time_limit_seconds: time_limit(schema, rendered, plugin, &open),
            params: self.other_params(schema, &rendered.value, &open),
            ..PlannedCall::default()
        };
        match &work.granted {
            Ok(grant) => {
                call.server = grant.as_ref().map(|grant| PlannedServer {
                    origin: self.prepared.vault.masked(&grant.origin.to_string()),
                    verify_tls: rendered.verify_tls,
                    ca_file: rendered.ca_file.as_deref().map(|file| self.prepared.vault.masked(file)),
                });
            }
            Err(error) => call.error = Some(self.masked_error(StepError::from(&**error))),
        }
        if let Some(name) = value(Role::Template).and_then(Value::as_str) {
            let mut template = PlannedTemplate {
                name: self.prepared.vault.masked(name),
                text: None,
                time_dependent: false,
                moments: Vec::new(),
            };
            if schema.role(Role::TemplateParams).is_none_or(|param| !is_open(param)) {
                let none = Value::Object(Map::new());
                let params = value(Role::TemplateParams).unwrap_or(&none);
                match self.text(plugin, &step_type.name, name, params).await {
                    Ok(text) => {
                        template.text = Some(self.prepared.vault.masked(&text.exact));
                        template.time_dependent = text.time_dependent;
                        template.moments = text.moments;
                    }
                    Err(error) => call.error = Some(self.masked_error(error)),
                }
            }
            call.template = Some(template);
        }
        if let (Some(inquiry), true, None) = (&self.inquiry, open.is_empty(), &call.error) {
            match inquiry.ask(self.runner, plugin, self.prepared, step, &work).await {
                Ok(found) => call.found = Some(found),
                Err(error) => call.error = Some(self.masked_error(error)),
            }
        }
        call.open = open;
        call
    }

    async fn text(
        &mut self,
        plugin: &Plugin,
        step_type: &str,
        template: &str,
        params: &Value,
    ) -> Result<TemplateText, StepError> {
        match self
            .texts
            .entry([step_type.to_owned(), template.to_owned(), params.to_string()])
        {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => {
                let text = TemplateText::of(plugin, step_type, template, params, self.as_of).await;
                new.insert(text.map_err(|error| StepError::from(&error))).clone()
            }
        }
    }

    /// As whom a call is made, if it has params that tell.
    fn credentials(&self, schema: &Schema, values: &Value) -> Option<CredentialMode> {
        let username = schema.role(Role::Username).and_then(|param| values[param].as_str());
        let username = username.map(|name| self.prepared.vault.masked(name));
        let params = values.as_object().into_iter().flatten();
        let secrets: Vec<Credential> = params
            .filter(|(param, _)| schema.is_write_only(param))
            .map(|(param, value)| Credential {
                param: param.clone(),
                secrets: self.prepared.vault.named_in(&value.to_string()),
            })
            .collect();
        (username.is_some() || !secrets.is_empty()).then_some(CredentialMode { username, secrets })
    }

    /// The params that nothing else of a planned call tells. What is meant for the server alone is not among them.
    fn other_params(&self, schema: &Schema, values: &Value, open: &[OpenParam]) -> Map<String, Value> {
        let told = TOLD.map(|role| schema.role(role));
        let is_open = |param: &str| open.iter().any(|open| open.param == param);
        let others = |param: &str| !schema.is_write_only(param) && (is_open(param) || !told.contains(&Some(param)));
        let params = values.as_object().into_iter().flatten();
        params
            .filter(|(param, _)| others(param))
            .map(|(param, value)| (param.clone(), self.masked(value)))
            .collect()
    }

    fn masked(&self, value: &Value) -> Value {
        self.prepared.vault.masker().mask_json(value)
    }

    fn masked_error(&self, error: StepError) -> StepError {
        let vault = &self.prepared.vault;
        StepError {
            kind: error.kind,
            message: vault.masked(&error.message),
            hint: error.hint.map(|hint| vault.masked(&hint)),
        }
    }
}

/// The steps whose results a list waits for, if it does.
fn list_needs(step: &Step, list: &ForEach) -> Option<Vec<String>> {
    let inputs = step.inputs.iter().filter(|(at, _)| at.starts_with(&list.pointer));
    let waiting: Vec<_> = inputs.filter(|(_, mentions)| mentions.needs_results()).collect();
    let needs = waiting.iter().flat_map(|(_, mentions)| results(mentions));
    (!waiting.is_empty()).then(|| unique(needs))
}

/// How long a call may take, in seconds: what is given, or what the schema gives, or else the runner's own limit.
fn time_limit(schema: &Schema, rendered: &Rendered, plugin: &Plugin, open: &[OpenParam]) -> Option<u64> {
    let longest = plugin.limits.deadline.as_secs();
    let Some(param) = schema.role(Role::TimeoutSeconds) else {
        return Some(longest);
    };
    if open.iter().any(|open| open.param == param) {
        return None;
    }
    let default = || schema.default_of(param).and_then(Value::as_u64);
    let given = rendered.timeout.map(|limit| limit.as_secs());
    Some(given.unwrap_or_else(|| default().map_or(longest, |usual| usual.min(longest))))
}
