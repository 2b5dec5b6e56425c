//! From what an author wrote, under `params` of a step or in a connector file, to what a plugin is given.

use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::files::{self, FileError};
use crate::language::render::{self, Mentions, Problem, Renderer, entry, locate, render_value};
use crate::language::step::Step;
use crate::limits;
use crate::net::egress::Grant;
use crate::net::origin::{Origin, OriginError};
use crate::net::policy::{Policy, PolicyError};
use crate::net::tls::{self, Identity, Tls, TlsError, Trust};
use crate::secrets::exposed_to_others;
use crate::text::diagnostic::{Code, Diagnostic, Place};
use crate::text::document::Document;
use crate::text::json::any_text;
use crate::text::json::escape_key;
use crate::text::json::unescape_key;
use crate::text::schema::place;
use crate::text::schema::{Provenance, Role, Schema, SchemaProblem};

/// How many problems of a step's params are looked for.
const MOST_PROBLEMS: usize = 100;

/// How long a rendered value may be to be shown, in bytes.
const LONGEST_SHOWN: usize = 60;

/// The largest file of certificates, in bytes.
const LARGEST_CERTIFICATES: u64 = 1 << 20;

/// The params that name a place or a thing. Secrets become values in the headers and bodies of requests only.
const NAMES: [Role; 4] = [Role::Origin, Role::CaFile, Role::ClientCertificate, Role::Targets];

/// What an author wrote for a plugin: a map in a file, and the schema that the plugin has for it.
#[derive(Debug, Clone)]
pub(crate) struct Written<'a> {
    pub(crate) document: &'a Document,
    /// Where the map stands in the document, as a JSON pointer.
    pub(crate) pointer: String,
    pub(crate) values: &'a Map<String, Value>,
    pub(crate) schema: &'a Schema,
    /// What the templates of the file look at, and where they stand as JSON pointers, as was found when it was read.
    pub(crate) inputs: &'a [(String, Mentions)],
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
    pub(crate) client_certificate: Option<String>,
}

impl<'a> Written<'a> {
    /// The params of a step.
    pub(crate) fn of_step(document: &'a Document, step: &'a Step, schema: &'a Schema) -> Self {
        Self {
            document,
            pointer: format!("{}/params", step.pointer),
            values: &step.params,
            schema,
            inputs: &step.inputs,
        }
    }

    /// What can be told without alert or secrets: wrong literals, unknown and missing keys, and alert data where it decides
    /// where to connect or as whom.
    pub(crate) fn check_written(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        // What is no map was complained about when the file was read.
        if self
            .document
            .value()
            .pointer(&self.pointer)
            .is_some_and(|value| !value.is_object() && !value.is_null())
        {
            return found;
        }
        let is_a_name = |param: &str| NAMES.iter().any(|role| self.schema.role(*role) == Some(param));
        for (name, pointer, seen) in self.mentions().filter(|(name, ..)| self.is_known(name)) {
            let (provenance, is_a_name) = (self.schema.provenance(name), is_a_name(name));
            let untrusted = seen.untrusted_at.iter().filter(|_| provenance == Provenance::Author);
            found.extend(untrusted.map(|range| self.untrusted(name, pointer, range.clone())));
            let secrets = seen.secrets.iter().filter(|_| is_a_name);
            found.extend(secrets.map(|(_, range)| self.misplaced_secret(name, pointer, range.clone())));
        }
        // A template's value is not known yet, so what the schema says of it does not count.
        let values = Value::Object(self.values.clone());
        let known = |pointer: &String| {
            let value = values.pointer(pointer);
            value.is_none_or(|value| !any_text(value, &|text| !render::is_literal(text)))
        };
        let literal = |problem: &SchemaProblem| problem.values().iter().all(known);
        let problems = self.schema.validate(&values).into_iter().filter(literal);
        found.extend(problems.map(|problem| self.place(problem)));
        found
    }

    /// What the templates among the values look at: the value's name, where the template stands, and what it looks at.
    pub(crate) fn mentions(&self) -> impl Iterator<Item = (&'a str, &'a str, &'a Mentions)> {
        self.inputs.iter().filter_map(|(pointer, mentions)| {
            let below = pointer.strip_prefix(&self.pointer)?.strip_prefix('/')?;
            let name = below.split('/').next().unwrap_or_default();
            let (name, _) = self.values.get_key_value(&*unescape_key(name))?;
            Some((name.as_str(), pointer.as_str(), mentions))
        })
    }

    fn untrusted(&self, name: &str, pointer: &str, range: Range<usize>) -> Diagnostic {
        let span = self.document.span_within(pointer, range);
        let named = self.document.source().text().get(span.clone());
        let of = if named == Some("item") { "an item of " } else { "" };
        Diagnostic::error(
            Code::UntrustedValue,
            format!("`{name}` may not use {of}alert data or earlier results"),
        )
        .at(Place::bytes(self.document.source().clone(), span))
        .hint("whoever triggers the alert would decide it; use a literal, `vars` or `secrets`")
    }

    fn misplaced_secret(&self, name: &str, pointer: &str, range: Range<usize>) -> Diagnostic {
        let span = self.document.span_within(pointer, range);
        Diagnostic::error(Code::InvalidValue, format!("`{name}` cannot hold a secret"))
            .at(Place::bytes(self.document.source().clone(), span))
            .hint("secrets go into the headers and bodies of requests only; write the value here, or use `vars`")
    }

    /// Renders the values and validates them.
    pub(crate) fn render(&self, renderer: &Renderer) -> Result<Rendered, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let params = self.values.iter().map(|(name, written)| {
            let pointer = format!("{}/{}", self.pointer, escape_key(name));
            let rendered = self.render_known(name, written, &pointer, renderer, |_| true, &mut problems);
            (name.clone(), rendered)
        });
        let value = Value::Object(params.collect());
        problems.extend(self.check_resolved(&value, renderer));
        if !problems.is_empty() {
            return Err(problems);
        }
        let rendered = Rendered::of(value, self.schema);
        let problems = self.check_rendered(&rendered, renderer);
        if problems.is_empty() {
            Ok(rendered)
        } else {
            Err(problems)
        }
    }

    /// Checks what the templates became. [`check_written`](Self::check_written) could judge the literals alone, and what the
    /// schema says of a whole, such as which values go together, can depend on both.
    fn check_rendered(&self, rendered: &Rendered, renderer: &Renderer) -> Vec<Diagnostic> {
        let (schema, value) = (self.schema, &rendered.value);
        let mut problems: Vec<_> = schema
            .validate(value)
            .into_iter()
            .map(|problem| self.place_rendered(problem, value, renderer))
            .collect();
        if let (Some(url), Some(name), true) = (&rendered.origin, schema.role(Role::Origin), problems.is_empty())
            && let Err(error) = Origin::of(url)
        {
            let place = self.document.place(&format!("{}/{name}", self.pointer));
            problems.push(Diagnostic::error(Code::InvalidValue, format!("`{name}`: {error}")).at(place));
        }
        problems
    }

    /// Renders the texts of a param that are known, and leaves the others as they are. The schema says whose data may fill
    /// the param; at whatever depth a text stands, that holds for it.
    pub(crate) fn render_known(
        &self,
        param: &str,
        written: &Value,
        pointer: &str,
        renderer: &Renderer,
        known: impl Fn(&str) -> bool,
        problems: &mut Vec<Diagnostic>,
    ) -> Value {
        let provenance = self.schema.provenance(param);
        render_value(written, pointer, &mut |pointer, text| {
            if !known(pointer) {
                return Value::String(text.to_owned());
            }
            if problems.len() >= MOST_PROBLEMS {
                return Value::Null;
            }
            renderer.render(text, provenance).unwrap_or_else(|problem| {
                let problem = of_param(param, problem);
                problems.push(locate(self.document, pointer, problem));
                Value::Null
            })
        })
    }

    /// Whether alert data and earlier results may fill a param.
    pub(crate) fn is_open_to_data(&self, param: &str) -> bool {
        self.schema.provenance(param) == Provenance::Any
    }

    /// The server that the values name, if that can be told.
    pub(crate) fn origin(&self, renderer: &Renderer) -> Option<Origin> {
        let text = self.values.get(self.schema.role(Role::Origin)?)?.as_str()?;
        Origin::of(renderer.render(text, Provenance::Author).ok()?.as_str()?).ok()
    }

    /// Why the server that was rendered cannot be reached as the params say.
    pub(crate) fn refused(&self, error: &GrantError) -> Diagnostic {
        let (code, role) = match error {
            GrantError::Origin(_) => (Code::InvalidValue, Role::Origin),
            GrantError::Policy(_) => (Code::ForbiddenServer, Role::Origin),
            GrantError::File { role, .. } => (Code::UnreadableFile, *role),
            GrantError::Tls(TlsError::ClientCertificate(_)) => (Code::InvalidValue, Role::ClientCertificate),
            GrantError::Tls(_) => (Code::InvalidValue, Role::CaFile),
            GrantError::Exposed { .. } => (Code::ExposedSecrets, Role::ClientCertificate),
        };
        let hint = match error {
            GrantError::Policy(error) => Some(error.hint().to_owned()),
            GrantError::Exposed { path, .. } => Some(format!("run `chmod 600 {path}`")),
            _ => None,
        };
        let name = self.schema.role(role).unwrap_or_default();
        let place = self.document.place(&format!("{}/{}", self.pointer, escape_key(name)));
        Diagnostic::error(code, error.to_string()).at(place).maybe_hint(hint)
    }

    fn place(&self, problem: SchemaProblem) -> Diagnostic {
        place(self.document, &self.pointer, problem)
    }

    /// A problem of the values as they were rendered; what a template became is said.
    pub(crate) fn place_rendered(&self, problem: SchemaProblem, rendered: &Value, renderer: &Renderer) -> Diagnostic {
        if !is_of_template(self.values, &problem) {
            return self.place(problem);
        }
        let shown = rendered_to(rendered, &problem, renderer);
        let diagnostic = self.place(problem.of_a_template());
        shown.into_iter().fold(diagnostic, Diagnostic::label)
    }

    /// Whether a param may be given. One that may not is a problem of its own, and enough.
    fn is_known(&self, param: &str) -> bool {
        let schema = self.schema.document();
        schema["properties"].get(param).is_some() || schema.get("additionalProperties") != Some(&Value::Bool(false))
    }
}

impl Rendered {
    /// What of these values concerns the host.
    pub(crate) fn of(value: Value, schema: &Schema) -> Self {
        let param = |role| schema.role(role).and_then(|name| value.get(name));
        let seconds = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let duration = |role| param(role).and_then(seconds).map(limits::seconds);
        let text = |role| param(role).and_then(Value::as_str).map(str::to_owned);
        Self {
            origin: text(Role::Origin),
            timeout: duration(Role::TimeoutSeconds),
            interval: duration(Role::IntervalSeconds),
            verify_tls: param(Role::VerifyTls).and_then(Value::as_bool).unwrap_or(true),
            ca_file: text(Role::CaFile),
            client_certificate: text(Role::ClientCertificate),
            value,
        }
    }
}

/// What the params that have a role let a call reach, if the operator allows it.
pub(crate) fn grant(params: &Rendered, directory: &Path, policy: &Policy) -> Result<Option<Grant>, GrantError> {
    let Some(origin) = &params.origin else { return Ok(None) };
    let origin = Origin::of(origin)?;
    policy.check(&origin)?;
    let read = |file: &str, role| {
        let path = directory.join(file);
        let unreadable = |source| GrantError::File {
            role,
            path: path.display().to_string(),
            source,
        };
        let file = files::open_regular(&path).map_err(unreadable)?;
        let private = role == Role::ClientCertificate;
        if private && let Some(mode) = exposed_to_others(&file).map_err(|error| unreadable(error.into()))? {
            let path = path.display().to_string();
            return Err(GrantError::Exposed { path, mode });
        }
        files::read_open(file, LARGEST_CERTIFICATES).map_err(unreadable)
    };
    let trust = match &params.ca_file {
        _ if !params.verify_tls => Trust::Anybody,
        None => Trust::Platform,
        Some(file) => Trust::PlatformAnd(read(file, Role::CaFile)?),
    };
    let identity = match &params.client_certificate {
        None => None,
        Some(file) => Some(Identity::new(read(file, Role::ClientCertificate)?)),
    };
    let tls = Tls { trust, identity };
    // What the files hold is looked at now, before anything is sent.
    if tls != Tls::default() {
        tls::client_config(&tls)?;
    }
    Ok(Some(Grant { origin, tls }))
}

/// Why it cannot be said what a call may reach.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantError {
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("cannot read the {} `{path}`: {source}", if *.role == Role::CaFile { "CA file" } else { "client certificate" })]
    File {
        role: Role,
        path: String,
        source: FileError,
    },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("others can use the private key in `{path}`: its mode is {mode:03o}")]
    Exposed { path: String, mode: u32 },
}

/// Names the param whose provenance a template breaks.
fn of_param(param: &str, mut problem: Problem) -> Problem {
    if problem.code == Code::UntrustedValue {
        problem.message = format!("`{param}` may only use literals, `vars` and `secrets`");
    }
    problem
}

/// Whether a template gave the value that a problem is about.
fn is_of_template(written: &Map<String, Value>, problem: &SchemaProblem) -> bool {
    // The template may stand for the list or map that the value is in.
    let mut parts = problem.pointer.split('/').skip(1).map(unescape_key);
    let top = parts.next().and_then(|name| written.get(&*name));
    let nearest = parts.try_fold(top, |value, name| match value {
        Some(Value::String(_)) | None => ControlFlow::Break(value),
        Some(value) => ControlFlow::Continue(entry(value, &name)),
    });
    let (ControlFlow::Break(nearest) | ControlFlow::Continue(nearest)) = nearest;
    !problem.at_key && nearest.and_then(Value::as_str).is_some_and(render::is_template)
}

/// Says what a template's value became, if it is short; a secret is not shown.
fn rendered_to(rendered: &Value, problem: &SchemaProblem, renderer: &Renderer) -> Option<String> {
    let shown = rendered.pointer(&problem.pointer)?.to_string();
    if renderer.holds_secret(&shown) {
        return Some("this became a text with a secret, which is not shown".into());
    }
    (shown.len() <= LONGEST_SHOWN).then(|| format!("this became `{shown}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::language::render::Values;
    use crate::secrets::{Secrets, Vault};
    use crate::text::source::Source;

    /// Renders params without checking them first, as if the check had been talked out of its message.
    fn render(params: &Value) -> Result<Value, Vec<String>> {
        let schema = json!({
            "properties": {
                "server": {},
                "certificate": {"x-role": "client-certificate", "x-provenance": "any"},
                "token": {"writeOnly": true, "x-provenance": "any"},
                "hosts": {"x-provenance": "any"},
                "either": {"anyOf": [{"x-provenance": "any"}, {"type": "object"}]},
            },
            "allOf": [{"properties": {"server": {"x-provenance": "any"}}}],
            "additionalProperties": {"x-provenance": "any"},
        });
        let schema = Schema::compile(schema).unwrap();
        let (document, _) = Document::parse(Source::new("p.yaml", json!({"params": params}).to_string())).unwrap();
        let written = Written {
            document: &document,
            pointer: "/params".into(),
            values: params.as_object().unwrap(),
            schema: &schema,
            inputs: &[],
        };
        let values = Values {
            vars: Some(json!({"url": "trusted"})),
            alert: Some(json!({"url": "canary"})),
            ..Values::default()
        };
        let renderer = Renderer::new(Vault::new(Secrets::new([])), values);
        let messages =
            |problems: Vec<Diagnostic>| problems.iter().map(|problem| problem.message().to_owned()).collect();
        written
            .render(&renderer)
            .map(|rendered| rendered.value)
            .map_err(messages)
    }

    #[test]
    fn at_no_depth_is_a_param_filled_from_what_its_schema_does_not_open_it_to() {
        for param in ["server", "certificate", "token", "either", "other"] {
            for template in [
                "{{ alert.url }}",
                "{% with alert = alert.url %}{{ alert }}{% endwith %}",
            ] {
                for value in [
                    json!(template),
                    json!([template]),
                    json!([["a", {"b": [template]}]]),
                    json!({"a": {"{{ vars.url }}": template}}),
                ] {
                    let refused = render(&json!({param: value})).expect_err(param);
                    let expected = format!("`{param}` may only use literals, `vars` and `secrets`");
                    assert_eq!(refused, [expected], "{value}");
                }
            }
            let trusted = json!({param: {"a": ["{{ vars.url }}"]}});
            assert_eq!(render(&trusted), Ok(json!({param: {"a": ["trusted"]}})));
        }
        let open = json!({"hosts": [{"a": "{{ alert.url }}"}], "server": "x"});
        assert_eq!(render(&open), Ok(json!({"hosts": [{"a": "canary"}], "server": "x"})));
    }

    #[test]
    fn keys_are_not_templates() {
        let keys = json!({"hosts": {"{{ alert.url }}": 1}, "server": {"{{ alert.url }}": 2}});
        assert_eq!(render(&keys), Ok(keys));
    }
}
