//! Fills in the templates of a playbook.
//!
//! A text that is exactly one `{{ expression }}` becomes the expression's value and keeps its type; any other template
//! becomes a text. Undefined names are errors. A secret becomes a handle, and it may only be *placed* in a text
//! (`{{ secrets.x }}`, `{{ "Bearer " ~ secrets.x }}`): whatever would look at it or change it is refused before anything
//! is rendered, because the template would see the handle and not the value.

use std::ops::Range;
use std::sync::Arc;

use minijinja::machinery::Token;
use minijinja::{ErrorKind, Value as Jinja};
use serde_json::{Map, Value, json};

use crate::secrets::{ENV_PREFIX, Use, Vault, Weakness};
use crate::text::diagnostic::{Code, nearest, suggestion};
use crate::text::schema::Provenance;

mod check;
mod filters;
mod free;
mod guarded;
mod limits;
mod located;
mod program;
mod room;
mod scope;
mod tokens;
mod weight;

pub(crate) use check::{Mentions, Scope, check, check_expression, looked_at_secret};
pub(crate) use located::{locate, render_value};
pub(crate) use scope::{ListItem, Values};
pub(crate) use tokens::sole_expression;

use program::Program;
use room::Room;
use scope::{NamedValues, TrustedScope, UntrustedScope};
use tokens::{Tokens, is_guarded, path, place_of};

/// The names that templates may begin with.
pub(crate) const ROOTS: [&str; 5] = ["secrets", "alert", "vars", "steps", "run"];

/// What templates see besides, in the params of a step that runs for each item of a list.
const ITEM: [&str; 2] = ["item", "item_index"];

/// The names that stand for what others decide.
const OF_OTHERS: [&str; 4] = ["alert", "steps", "item", "item_index"];

/// What is wrong with a template, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) range: Range<usize>,
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// What stands around the parts of a text that are filled in.
const MARKS: [(&str, &str); 3] = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];

/// Whether a text has anything to fill in.
pub(crate) fn is_template(text: &str) -> bool {
    MARKS.iter().any(|(open, _)| text.contains(open))
}

/// Whether a text means what it says: nothing is filled in, and it refers to nothing.
pub(crate) fn is_literal(text: &str) -> bool {
    !is_template(text) && check::integration_reference(text).is_none()
}

/// What of a text stands outside of templates.
pub(crate) fn literals(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let marks = MARKS.iter().filter_map(|(open, close)| Some((text.find(open)?, close)));
        let Some((at, close)) = marks.min() else {
            return Some(text);
        };
        rest = text[at..].split_once(*close).map(|(_, rest)| rest);
        Some(&text[..at])
    })
}

/// The names of the secrets that a text uses. What is no template uses none.
pub fn secret_names(text: &str) -> Vec<String> {
    let mentions = check(text, Scope::Roots).unwrap_or_default();
    mentions.secrets.into_iter().map(|(name, _)| name).collect()
}

/// The values that templates see.
pub(crate) struct Renderer {
    trusted: TrustedScope,
    untrusted: UntrustedScope,
    /// What `alert`, `vars`, `steps` and `run` stand for, to say what is missing.
    values: Arc<Value>,
    item: Option<Value>,
    vault: Vault,
    /// The memory for rendered values, those of all items included.
    room: Room,
}

impl Renderer {
    pub(crate) fn new(vault: Vault, values: Values) -> Self {
        let trusted = TrustedScope::new(&vault, &values);
        let untrusted = UntrustedScope::new(&trusted, &values);
        let Values {
            vars,
            run,
            alert,
            steps,
        } = values;
        let named = [("vars", vars), ("run", run), ("alert", alert), ("steps", steps)];
        let known = named
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Self {
            trusted,
            untrusted,
            values: Arc::new(Value::Object(known.collect::<Map<_, _>>())),
            item: None,
            vault,
            room: Room::default(),
        }
    }

    /// The same, with an item of a list.
    pub(crate) fn with_item(&self, item: &ListItem, index: usize) -> Self {
        Self {
            trusted: self.trusted.with_item(item, index),
            untrusted: self.untrusted.with_item(item, index),
            values: self.values.clone(),
            item: Some(item.value().clone()),
            vault: self.vault.clone(),
            room: self.room.clone(),
        }
    }

    /// What `alert`, `vars`, `steps` and `run` stand for.
    pub(crate) fn values(&self) -> &Value {
        &self.values
    }

    /// Whether a text shows a secret or what stands for one.
    pub(crate) fn holds_secret(&self, text: &str) -> bool {
        self.vault.redactor().redact(text) != text
    }

    /// Resolves the secrets that a rendered text holds, for this use. Returns those that cannot be used, and why.
    pub(crate) fn resolve_placed(&self, text: &str, used: Use) -> Vec<(String, Weakness)> {
        let names = self.vault.named_in(text).into_iter();
        names
            .filter_map(|name| self.vault.resolve(&name, used).err().map(|weakness| (name, weakness)))
            .collect()
    }

    /// Renders a text for a place that data of this provenance may fill.
    pub(crate) fn render(&self, text: &str, provenance: Provenance) -> Result<Value, Problem> {
        if !is_template(text) {
            return self.counted(text, Value::String(text.to_owned()));
        }
        let scope = match &self.item {
            Some(_) => Scope::Item { untrusted: true },
            None => Scope::Roots,
        };
        // What was found when the file was read is not relied on: what may be filled in here follows from this very text.
        let mentions =
            check(text, scope).map_err(|problems| problems.into_iter().next().expect("an error names a problem"))?;
        if let Some(name) = OF_OTHERS.into_iter().find(|name| mentions.roots.contains(*name))
            && !self.names(provenance).has(name)
        {
            return Err(self.missing_root(text, name, provenance));
        }
        for (name, range) in mentions.secrets {
            if self.vault.handle(&name).is_none() {
                return Err(self.unknown_secret(&name, range));
            }
        }
        self.counted(text, self.filled(text, provenance)?)
    }

    /// Returns the value if there is room for it beside all earlier ones.
    fn counted(&self, text: &str, value: Value) -> Result<Value, Problem> {
        if self.room.take(&value) {
            return Ok(value);
        }
        Err(Problem {
            range: 0..text.len(),
            code: Code::TemplateTooLong,
            message: format!(
                "the rendered values take more than {} MiB, those of all items together",
                room::SIZE >> 20
            ),
            hint: Some("fill in less data, or give `for_each` fewer items".into()),
        })
    }

    /// A name that is not there: where only the author decides, because others decide what it stands for.
    fn missing_root(&self, text: &str, name: &str, provenance: Provenance) -> Problem {
        let range = tokens::of(text, false).ok();
        let range = range.and_then(|tokens| tokens::find_ident(&tokens, name));
        let range = range.unwrap_or(0..text.len());
        match provenance {
            Provenance::Author if self.untrusted.names().has(name) => Problem {
                range,
                code: Code::UntrustedValue,
                message: "only literals, `vars` and `secrets` may be used here".into(),
                hint: Some("whoever triggers the alert would decide it; use a literal, `vars` or `secrets`".into()),
            },
            _ => Problem {
                range,
                code: Code::UndefinedVariable,
                message: format!("`{name}` is not defined"),
                hint: None,
            },
        }
    }

    fn filled(&self, text: &str, provenance: Provenance) -> Result<Value, Problem> {
        let context = self.names(provenance).context();
        let Some(expression) = sole_expression(text) else {
            return Program::template(text)?
                .render(&context)
                .map(Value::String)
                .map_err(|error| self.locate(explain(&error, text), text, false, Scope::Roots));
        };
        self.evaluate(&text[expression.clone()], &context, Scope::Roots)
            .map_err(|mut problem| {
                problem.range = problem.range.start + expression.start..problem.range.end + expression.start;
                problem
            })
    }

    fn names(&self, provenance: Provenance) -> &NamedValues {
        match provenance {
            Provenance::Author => self.trusted.names(),
            Provenance::Any => self.untrusted.names(),
        }
    }

    /// The value of an expression that decides what runs: data may.
    pub(crate) fn expression(&self, text: &str, scope: Scope) -> Result<Value, Problem> {
        let names = self.untrusted.names();
        let context = match scope {
            Scope::AlertFields => names.context_with_fields(self.values.get("alert")),
            Scope::Roots | Scope::Item { .. } => names.context(),
        };
        self.evaluate(text, &context, scope)
    }

    fn evaluate(&self, source: &str, context: &Jinja, scope: Scope) -> Result<Value, Problem> {
        let value = Program::expression(source)?
            .evaluate(context)
            .map_err(|error| self.locate(explain(&error, source), source, true, scope))?;
        let start = source.len() - source.trim_start().len();
        let range = start..start + source.trim().len();
        if value.is_undefined() {
            let problem = Problem {
                range,
                code: Code::UndefinedVariable,
                message: format!("`{}` is not defined", source.trim()),
                hint: None,
            };
            return Err(self.locate(problem, source, true, scope));
        }
        serde_json::to_value(&value).map_err(|_| Problem {
            range,
            code: Code::TemplateFailed,
            message: "the expression's value cannot be used here".into(),
            hint: None,
        })
    }

    fn unknown_secret(&self, name: &str, range: Range<usize>) -> Problem {
        let near = nearest(name, self.vault.names());
        let near = near
            .map(|near| format!("did you mean `{near}`? Otherwise "))
            .unwrap_or_default();
        Problem {
            range,
            code: Code::UnknownSecret,
            message: format!("there is no secret `{name}`"),
            hint: Some(format!(
                "{near}set {ENV_PREFIX}{}, or add `{name}: …` to the file given with --secrets",
                name.to_ascii_uppercase()
            )),
        }
    }

    /// Says which part of a path is missing, and what is there. The engine's own place can be a part of the path, or all
    /// that it is compared with.
    fn locate(&self, problem: Problem, text: &str, is_expression: bool, scope: Scope) -> Problem {
        if problem.code != Code::UndefinedVariable {
            return problem;
        }
        let Ok(tokens) = tokens::of(text, is_expression) else {
            return problem;
        };
        let overlaps = |range: &Range<usize>| range.start < problem.range.end && problem.range.start < range.end;
        // The engine points at the path, at what it is compared with, or at a filter that was given it.
        self.missing_path(&tokens, scope, overlaps)
            .or_else(|| self.missing_path(&tokens, scope, |_| true))
            .unwrap_or(problem)
    }

    /// The first path among those that are concerned of which something is missing.
    fn missing_path(
        &self,
        tokens: &Tokens<'_>,
        scope: Scope,
        concerned: impl Fn(&Range<usize>) -> bool,
    ) -> Option<Problem> {
        let roots = (0..tokens.len()).filter(|at| *at == 0 || !matches!(tokens[at - 1].0, Token::Dot));
        roots.map(|at| path(tokens, at)).find_map(|mut parts| {
            let range = place_of(&parts)?;
            if !concerned(&range) || is_guarded(tokens, range.end) {
                return None;
            }
            let root = parts[0].0.clone();
            let is_field = scope == Scope::AlertFields && self.values.get(&root).is_none();
            if is_field {
                parts.insert(0, ("alert".to_owned(), 0..0));
            }
            let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
            let (message, hint) = match &self.item {
                Some(item) if root == "item" => missing(&json!({"item": item}), &names)?,
                _ => missing(&self.values, &names)?,
            };
            let hint = match nearest(&root, ROOTS) {
                Some(near) if is_field => format!("did you mean `{near}`?"),
                _ => hint,
            };
            Some(Problem {
                range,
                code: Code::UndefinedVariable,
                message,
                hint: Some(hint),
            })
        })
    }
}

/// Which part of a path is not there, in words, and what is there instead. Nothing if its root is not.
pub(crate) fn missing(values: &Value, path: &[&str]) -> Option<(String, String)> {
    let mut value = values;
    for (depth, name) in path.iter().enumerate() {
        if let Some(next) = entry(value, name) {
            value = next;
            continue;
        }
        if depth == 0 {
            return None;
        }
        let known = path[..depth].join(".");
        let hint = match (path, value["status"].as_str()) {
            // A step that did not end well left nothing to look at.
            (["steps", step, "result", ..], Some(status)) if depth == 2 => {
                format!("the step `{step}` is {status} and has no result; `steps.{step}.status` can be asked first")
            }
            _ => missing_hint(path[0], &known, name, value),
        };
        return Some((format!("`{known}.{name}` is not defined"), hint));
    }
    None
}

/// What to do about a name that a value does not have.
fn missing_hint(root: &str, known: &str, name: &str, value: &Value) -> String {
    let map = match value {
        Value::Object(map) => map,
        Value::Array(items) => return format!("`{known}` is a list of {}", items.len()),
        _ => return format!("`{known}` is a single value, with nothing inside"),
    };
    let near = suggestion(name, map.keys().map(String::as_str));
    match near {
        Some(near) if root == "vars" && near.ends_with('?') => {
            format!("{near} Otherwise give it with `--var {name}=…`")
        }
        Some(near) => near,
        None if root == "vars" => format!("give it with `--var {name}=…`"),
        None if known == "alert" => "`alert` is empty here; give one with `--alert FILE`".into(),
        None => format!("`{known}` is empty here"),
    }
}

/// An entry of a map, or an item of a list by its number.
pub(crate) fn entry<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(map) => map.get(name),
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

/// A template engine's error in our words. Its own formatting is never used: it can show values.
fn explain(error: &minijinja::Error, text: &str) -> Problem {
    let range = error
        .range()
        .filter(|range| range.end <= text.len())
        .unwrap_or(0..text.len());
    let detail: String = error.detail().unwrap_or_default().chars().take(200).collect();
    let (code, message) = match error.kind() {
        ErrorKind::SyntaxError => {
            return Problem {
                range,
                code: Code::TemplateSyntax,
                hint: Some(syntax_hint(&detail).to_owned()),
                message: format!("the template is not well-formed: {detail}"),
            };
        }
        ErrorKind::UndefinedError => {
            let name = text.get(range.clone()).unwrap_or_default().trim();
            (Code::UndefinedVariable, format!("`{name}` is not defined"))
        }
        ErrorKind::OutOfFuel if !detail.is_empty() => (Code::TemplateTooLong, detail),
        ErrorKind::OutOfFuel => (
            Code::TemplateTooLong,
            format!("the template computes too much: more than {} steps", limits::FUEL),
        ),
        kind if detail.is_empty() => (Code::TemplateFailed, kind.to_string()),
        _ => (Code::TemplateFailed, detail),
    };
    Problem {
        range,
        code,
        message,
        hint: None,
    }
}

/// What to do about a template that is not well-formed.
fn syntax_hint(detail: &str) -> &'static str {
    if detail.ends_with(", expected end of variable block") {
        "close the expression with `}}`"
    } else if detail.contains("end of block") || detail.contains("end of input") {
        "close `{% if … %}` with `{% endif %}`, `{% for … %}` with `{% endfor %}`, and quotes where they end"
    } else {
        "an expression is a name, a text in quotes or a number, joined by operators; a literal `{{` is `{{ '{{' }}`"
    }
}

#[cfg(test)]
mod tests;
