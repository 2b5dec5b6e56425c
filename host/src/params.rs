//! From what an author wrote under `params` to what a plugin is given.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::diagnostic::{Diagnostic, Place};
use crate::origin::Origin;
use crate::playbook::{Step, locate};
use crate::plugin::StepType;
use crate::render::{self, Renderer};
use crate::runner::RunInputs;
use crate::schema::{Role, SchemaProblem};
use crate::secrets::Vault;
use crate::source::{Document, escape_key};

/// Rendered and validated params, and what of them concerns the host.
#[derive(Debug, Clone)]
pub(crate) struct Rendered {
    pub(crate) value: Value,
    pub(crate) origin: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) verify_tls: bool,
    pub(crate) ca_file: Option<String>,
}

/// A renderer that sees these inputs and results.
pub(crate) fn renderer(vault: &Vault, inputs: &RunInputs, results: &Map<String, Value>) -> Renderer {
    let values = json!({
        "alert": inputs.alert,
        "vars": inputs.vars,
        "steps": results,
        "run": {"id": inputs.run_id},
    });
    Renderer::new(vault.clone(), values)
}

/// Whether any of the params looks at earlier results.
pub(crate) fn needs_results(step: &Step) -> bool {
    step.params.values().any(|value| {
        any_text(value, &|text| {
            render::check(text).is_ok_and(|seen| seen.roots.contains("steps"))
        })
    })
}

/// What can be told without alert or secrets: wrong literals, unknown and missing keys, and alert data where it decides
/// where to connect or as whom.
pub(crate) fn check(document: &Document, step: &Step, step_type: &StepType) -> Vec<Diagnostic> {
    let pointer = format!("{}/params", step.pointer);
    let mut found = Vec::new();
    for (name, value) in &step.params {
        let untrusted = any_text(value, &|text| render::check(text).is_ok_and(|seen| seen.untrusted()));
        if untrusted && is_known(step_type, name) && !step_type.params.accepts_untrusted(name) {
            let place = document.span(&format!("{pointer}/{}", escape_key(name)));
            found.push(
                Diagnostic::error(
                    "untrusted-value",
                    format!("`{name}` may not use alert data or earlier results"),
                )
                .at(Place::bytes(document.source().clone(), place))
                .hint("whoever triggers the alert would decide it; use a literal, `vars` or `secrets`"),
            );
        }
    }
    // A template's value is not known yet, so what the schema says of it or of the whole it is part of does not count.
    let params = Value::Object(step.params.clone());
    let literal = |problem: &SchemaProblem| {
        problem.at_key
            || params
                .pointer(&problem.pointer)
                .is_none_or(|value| !any_text(value, &render::is_template))
    };
    let problems = step_type.params.validate(&params).into_iter().filter(literal);
    found.extend(problems.map(|problem| place(document, &pointer, problem)));
    found
}

/// Renders the params and validates them.
pub(crate) fn render(
    document: &Document,
    step: &Step,
    step_type: &StepType,
    renderer: &Renderer,
) -> Result<Rendered, Vec<Diagnostic>> {
    let pointer = format!("{}/params", step.pointer);
    let mut problems = Vec::new();
    let value = render_value(
        document,
        &Value::Object(step.params.clone()),
        &pointer,
        renderer,
        &mut problems,
    );
    if !problems.is_empty() {
        return Err(problems);
    }
    let schema = &step_type.params;
    let mut problems: Vec<_> = schema
        .validate(&value)
        .into_iter()
        .map(|problem| place(document, &pointer, problem))
        .collect();
    let param = |role| schema.role(role).and_then(|name| value.get(name));
    let origin = param(Role::Origin).and_then(Value::as_str).map(str::to_owned);
    if let (Some(url), Some(name), true) = (&origin, schema.role(Role::Origin), problems.is_empty())
        && let Err(error) = Origin::of(url)
    {
        let span = document.span(&format!("{pointer}/{name}"));
        problems.push(
            Diagnostic::error("invalid-value", format!("`{name}`: {error}"))
                .at(Place::bytes(document.source().clone(), span)),
        );
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let seconds = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    Ok(Rendered {
        origin,
        timeout: param(Role::TimeoutSeconds).and_then(seconds).map(Duration::from_secs),
        verify_tls: param(Role::VerifyTls).and_then(Value::as_bool).unwrap_or(true),
        ca_file: param(Role::CaFile).and_then(Value::as_str).map(str::to_owned),
        value,
    })
}

fn render_value(
    document: &Document,
    value: &Value,
    pointer: &str,
    renderer: &Renderer,
    problems: &mut Vec<Diagnostic>,
) -> Value {
    match value {
        Value::String(text) => renderer.render(text).unwrap_or_else(|problem| {
            problems.push(locate(document, pointer, problem));
            Value::Null
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| render_value(document, item, &format!("{pointer}/{index}"), renderer, problems))
            .collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                let below = format!("{pointer}/{}", escape_key(key));
                (key.clone(), render_value(document, value, &below, renderer, problems))
            })
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn place(document: &Document, params: &str, problem: SchemaProblem) -> Diagnostic {
    let pointer = format!("{params}{}", problem.pointer);
    // What concerns the params as a whole is shown at their key, not at the first of them.
    let span = if problem.at_key || problem.pointer.is_empty() {
        document.key_span(&pointer)
    } else {
        document.span(&pointer)
    };
    Diagnostic::error(problem.code, problem.message)
        .at(Place::bytes(document.source().clone(), span))
        .maybe_hint(problem.hint)
}

fn is_known(step_type: &StepType, param: &str) -> bool {
    step_type.params.document()["properties"].get(param).is_some()
}

fn any_text(value: &Value, wanted: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => wanted(text),
        Value::Array(items) => items.iter().any(|item| any_text(item, wanted)),
        Value::Object(map) => map.values().any(|value| any_text(value, wanted)),
        _ => false,
    }
}
