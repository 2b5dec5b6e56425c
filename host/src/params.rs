//! From what an author wrote, under `params` of a step or in a connector file, to what a plugin is given.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, Place};
use crate::egress::Grant;
use crate::origin::{Origin, OriginError};
use crate::playbook::{Step, locate};
use crate::plugin::StepType;
use crate::render::{self, Renderer, Scope};
use crate::schema::{Role, Schema, SchemaProblem};
use crate::source::{Document, escape_key};
use crate::tls::Trust;

/// What an author wrote for a plugin: a map in a file, and the schema that the plugin has for it.
#[derive(Debug, Clone)]
pub(crate) struct Written<'a> {
    pub(crate) document: &'a Document,
    /// Where the map stands in the document, as a JSON pointer.
    pub(crate) pointer: String,
    pub(crate) values: &'a Map<String, Value>,
    pub(crate) schema: &'a Schema,
    /// Which names its templates may use.
    pub(crate) scope: Scope,
}

/// Rendered and validated params, and what of them concerns the host.
#[derive(Debug, Clone)]
pub(crate) struct Rendered {
    pub(crate) value: Value,
    pub(crate) origin: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) interval: Option<Duration>,
    pub(crate) verify_tls: bool,
    pub(crate) ca_file: Option<String>,
}

impl<'a> Written<'a> {
    /// The params of a step.
    pub(crate) fn of_step(document: &'a Document, step: &'a Step, step_type: &'a StepType) -> Self {
        Self {
            document,
            pointer: format!("{}/params", step.pointer),
            values: &step.params,
            schema: &step_type.params,
            scope: step.scope(),
        }
    }

    /// What can be told without alert or secrets: wrong literals, unknown and missing keys, and alert data where it decides
    /// where to connect or as whom.
    pub(crate) fn check(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for (name, value) in self.values {
            let untrusted = any_text(value, &|text| {
                render::check(text, self.scope).is_ok_and(|seen| seen.untrusted())
            });
            if untrusted && self.is_known(name) && !self.schema.accepts_untrusted(name) {
                let place = self.document.span(&format!("{}/{}", self.pointer, escape_key(name)));
                found.push(
                    Diagnostic::error(
                        "untrusted-value",
                        format!("`{name}` may not use alert data or earlier results"),
                    )
                    .at(Place::bytes(self.document.source().clone(), place))
                    .hint("whoever triggers the alert would decide it; use a literal, `vars` or `secrets`"),
                );
            }
        }
        // A template's value is not known yet, so what the schema says of it or of the whole it is part of does not count; nor
        // does it of a text that is wrong already.
        let values = Value::Object(self.values.clone());
        let open = |text: &str| render::is_template(text) || render::check(text, self.scope).is_err();
        let literal = |problem: &SchemaProblem| {
            problem.at_key
                || values
                    .pointer(&problem.pointer)
                    .is_none_or(|value| !any_text(value, &open))
        };
        let problems = self.schema.validate(&values).into_iter().filter(literal);
        found.extend(problems.map(|problem| self.place(problem)));
        found
    }

    /// Renders the values and validates them.
    pub(crate) fn render(&self, renderer: &Renderer) -> Result<Rendered, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let value = render_value(
            self.document,
            &Value::Object(self.values.clone()),
            &self.pointer,
            renderer,
            &mut problems,
        );
        if !problems.is_empty() {
            return Err(problems);
        }
        let schema = self.schema;
        let mut problems: Vec<_> = schema
            .validate(&value)
            .into_iter()
            .map(|problem| self.place(problem))
            .collect();
        let rendered = Rendered::of(value, schema);
        if let (Some(url), Some(name), true) = (&rendered.origin, schema.role(Role::Origin), problems.is_empty())
            && let Err(error) = Origin::of(url)
        {
            let span = self.document.span(&format!("{}/{name}", self.pointer));
            problems.push(
                Diagnostic::error("invalid-value", format!("`{name}`: {error}"))
                    .at(Place::bytes(self.document.source().clone(), span)),
            );
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(rendered)
    }

    pub(crate) fn place(&self, problem: SchemaProblem) -> Diagnostic {
        place(self.document, &self.pointer, problem)
    }

    fn is_known(&self, param: &str) -> bool {
        self.schema.document()["properties"].get(param).is_some()
    }
}

impl Rendered {
    /// What of these values concerns the host.
    pub(crate) fn of(value: Value, schema: &Schema) -> Self {
        let param = |role| schema.role(role).and_then(|name| value.get(name));
        let seconds = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let duration = |role| param(role).and_then(seconds).map(Duration::from_secs);
        let text = |role| param(role).and_then(Value::as_str).map(str::to_owned);
        Self {
            origin: text(Role::Origin),
            timeout: duration(Role::TimeoutSeconds),
            interval: duration(Role::IntervalSeconds),
            verify_tls: param(Role::VerifyTls).and_then(Value::as_bool).unwrap_or(true),
            ca_file: text(Role::CaFile),
            value,
        }
    }
}

/// What the params that have a role let a call reach.
pub(crate) fn grant(params: &Rendered, directory: &Path) -> Result<Option<Grant>, GrantError> {
    let Some(origin) = &params.origin else { return Ok(None) };
    let origin = Origin::of(origin)?;
    let trust = match &params.ca_file {
        _ if !params.verify_tls => Trust::Anybody,
        None => Trust::Platform,
        Some(file) => {
            let path = directory.join(file);
            let pem = std::fs::read(&path).map_err(|source| GrantError::CaFile {
                path: path.display().to_string(),
                source,
            })?;
            Trust::PlatformAnd(pem)
        }
    };
    Ok(Some(Grant { origin, trust }))
}

/// Why it cannot be said what a call may reach.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantError {
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error("cannot read the CA file `{path}`: {source}")]
    CaFile { path: String, source: std::io::Error },
}

/// A value with its templates filled in; the problems of all are added to `problems`.
pub(crate) fn render_value(
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

/// A schema's problem as a diagnostic, in the map at a JSON pointer.
pub(crate) fn place(document: &Document, map: &str, problem: SchemaProblem) -> Diagnostic {
    let pointer = format!("{map}{}", problem.pointer);
    // What concerns the map as a whole is shown at its key, not at the first of its values.
    let span = if problem.at_key || problem.pointer.is_empty() {
        document.key_span(&pointer)
    } else {
        document.span(&pointer)
    };
    Diagnostic::error(problem.code, problem.message)
        .at(Place::bytes(document.source().clone(), span))
        .maybe_hint(problem.hint)
}

/// Whether any text in a value is wanted.
pub(crate) fn any_text(value: &Value, wanted: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => wanted(text),
        Value::Array(items) => items.iter().any(|item| any_text(item, wanted)),
        Value::Object(map) => map.values().any(|value| any_text(value, wanted)),
        _ => false,
    }
}
