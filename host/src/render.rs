//! Fills in the templates of a playbook.
//!
//! A text that is exactly one `{{ expression }}` becomes the expression's value and keeps its type; any other template
//! becomes a text. Undefined names are errors. A secret becomes a handle, and it may only be *placed* in a text
//! (`{{ secrets.x }}`, `{{ "Bearer " ~ secrets.x }}`): whatever would look at it or change it is refused before anything
//! is rendered, because the template would see the handle and not the value.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use minijinja::machinery::{Span, Token, tokenize};
use minijinja::value::{Enumerator, Object, Serde};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value as Jinja, syntax::SyntaxConfig};
use serde_json::Value;

use crate::diagnostic::suggestion;
use crate::secrets::{ENV_PREFIX, Vault};

/// The names that templates may begin with.
pub(crate) const ROOTS: [&str; 5] = ["secrets", "alert", "vars", "steps", "run"];

/// The filters that templates may use: pure functions of bounded cost.
const FILTERS: [&str; 37] = [
    "abs",
    "attr",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "upper",
];

/// How much a template may compute, in the engine's own units.
const FUEL: u64 = 100_000;

/// What is wrong with a template, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) range: Range<usize>,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// What a template looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mentions {
    /// The roots, [`ROOTS`] among them.
    pub(crate) roots: BTreeSet<String>,
    /// The secrets, and where each is named.
    pub(crate) secrets: Vec<(String, Range<usize>)>,
}

impl Mentions {
    /// Whether the rendered value may depend on what an attacker can influence.
    pub(crate) fn untrusted(&self) -> bool {
        self.roots.contains("alert") || self.roots.contains("steps")
    }
}

/// Whether a text has anything to fill in.
pub(crate) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

/// Checks a template without rendering it, and tells what it looks at.
pub(crate) fn check(text: &str) -> Result<Mentions, Vec<Problem>> {
    if !is_template(text) {
        return match integration_reference(text) {
            Some(problem) => Err(vec![problem]),
            None => Ok(Mentions::default()),
        };
    }
    let environment = environment();
    let template = environment
        .template_from_str(text)
        .map_err(|error| vec![explain(&error, text)])?;
    let tokens = tokens(text).map_err(|error| vec![explain(&error, text)])?;
    let mut problems = Vec::new();
    problems.extend(integration_reference(text));
    let mentions = Mentions {
        roots: template.undeclared_variables(false).into_iter().collect(),
        secrets: secrets(&tokens, &mut problems),
    };
    for root in mentions.roots.iter().filter(|root| !ROOTS.contains(&root.as_str())) {
        problems.push(Problem {
            range: find_ident(&tokens, root).unwrap_or(0..text.len()),
            code: "undefined-variable",
            message: format!("`{root}` is not defined"),
            hint: suggestion(root, ROOTS),
        });
    }
    check_filters(&tokens, &mut problems);
    if problems.is_empty() {
        Ok(mentions)
    } else {
        Err(problems)
    }
}

/// The values that templates see.
pub(crate) struct Renderer {
    environment: Environment<'static>,
    context: Jinja,
    values: Value,
    vault: Vault,
}

impl Renderer {
    /// `values` is an object with what `alert`, `vars`, `steps` and `run` stand for.
    pub(crate) fn new(vault: Vault, values: Value) -> Self {
        let roots = values
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), Jinja::from(Serde(value))));
        let handles = ("secrets".to_owned(), Jinja::from_object(Handles(vault.clone())));
        let context = Jinja::from_pairs(roots.chain([handles]));
        Self {
            environment: environment(),
            context,
            values,
            vault,
        }
    }

    /// Renders a text. It must have passed [`check`].
    pub(crate) fn render(&self, text: &str) -> Result<Value, Problem> {
        if !is_template(text) {
            return Ok(Value::String(text.to_owned()));
        }
        for (name, range) in check(text)
            .map_err(|problems| problems.into_iter().next().expect("an error names a problem"))?
            .secrets
        {
            if self.vault.handle(&name).is_none() {
                return Err(self.unknown_secret(&name, range));
            }
        }
        let located = |error: minijinja::Error| self.locate(explain(&error, text), text);
        let Some(expression) = sole_expression(text) else {
            return self
                .environment
                .render_str(text, &self.context)
                .map(Value::String)
                .map_err(located);
        };
        let shifted = |mut problem: Problem| {
            problem.range = problem.range.start + expression.start..problem.range.end + expression.start;
            self.locate(problem, text)
        };
        let source = &text[expression.clone()];
        let compiled = self
            .environment
            .compile_expression(source)
            .map_err(|error| shifted(explain(&error, source)))?;
        let value = compiled
            .eval(&self.context)
            .map_err(|error| shifted(explain(&error, source)))?;
        if value.is_undefined() {
            let start = expression.start + source.len() - source.trim_start().len();
            return Err(self.locate(
                Problem {
                    range: start..start + source.trim().len(),
                    code: "undefined-variable",
                    message: format!("`{}` is not defined", source.trim()),
                    hint: None,
                },
                text,
            ));
        }
        serde_json::to_value(&value).map_err(|_| Problem {
            range: expression,
            code: "template",
            message: "the expression's value cannot be used here".into(),
            hint: None,
        })
    }

    fn unknown_secret(&self, name: &str, range: Range<usize>) -> Problem {
        let near = crate::diagnostic::nearest(name, self.vault.names());
        let near = near
            .map(|near| format!("did you mean `{near}`? Otherwise "))
            .unwrap_or_default();
        Problem {
            range,
            code: "unknown-secret",
            message: format!("there is no secret `{name}`"),
            hint: Some(format!(
                "{near}set {ENV_PREFIX}{}, or add `{name}: …` to the file given with --secrets",
                name.to_ascii_uppercase()
            )),
        }
    }

    /// Says which part of a dotted path is missing, and what is there.
    fn locate(&self, mut problem: Problem, text: &str) -> Problem {
        if problem.code != "undefined-variable" {
            return problem;
        }
        let path = text.get(problem.range.clone()).unwrap_or_default().trim();
        let mut value = &self.values;
        let mut known = String::new();
        for name in path.split('.') {
            match value.get(name) {
                Some(next) => {
                    value = next;
                    known = if known.is_empty() {
                        name.to_owned()
                    } else {
                        format!("{known}.{name}")
                    };
                }
                None if known.is_empty() => break,
                None => {
                    problem.message = format!("`{known}.{name}` is not defined");
                    let keys: Vec<&str> = value
                        .as_object()
                        .into_iter()
                        .flatten()
                        .map(|(key, _)| key.as_str())
                        .collect();
                    let empty = format!("`{known}` is empty here");
                    problem.hint = suggestion(name, keys).or(Some(empty));
                    break;
                }
            }
        }
        problem
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // With it, an error's text would hold the variables' values.
    environment.set_debug(false);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(50);
    for global in ["range", "dict", "debug", "namespace"] {
        environment.remove_global(global);
    }
    environment
}

/// `secrets` as templates see it: a map of handles.
#[derive(Debug)]
struct Handles(Vault);

impl Object for Handles {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        Some(Jinja::from(self.0.handle(key.as_str()?)?))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

type Tokens<'t> = Vec<(Token<'t>, Range<usize>)>;

fn tokens(text: &str) -> Result<Tokens<'_>, minijinja::Error> {
    let range = |span: Span| span.start_offset as usize..span.end_offset as usize;
    tokenize(text, false, SyntaxConfig::default())
        .map(|token| token.map(|(token, span)| (token, range(span))))
        .collect()
}

/// Where the text of the expression stands, if the template is nothing but one.
fn sole_expression(text: &str) -> Option<Range<usize>> {
    let tokens = tokens(text).ok()?;
    let [(Token::VariableStart, open), .., (Token::VariableEnd, close)] = tokens.as_slice() else {
        return None;
    };
    let others = &tokens[1..tokens.len() - 1];
    let sole = open.start == 0
        && close.end == text.len()
        && !others
            .iter()
            .any(|(token, _)| matches!(token, Token::VariableEnd | Token::VariableStart | Token::BlockStart));
    sole.then_some(open.end..close.start)
}

/// The secrets that a template names. Any use but placing one in a text is a problem.
///
/// The rule is on tokens, so that it is easy to see that nothing slips through: in a `{{ … }}` that names `secrets`, the
/// parts between `~` are each `secrets.NAME`, a quoted text or a dotted name; elsewhere `secrets` does not occur. A block
/// that could catch what is rendered (`{% set %}`, `{% filter %}`) must not stand beside a secret.
fn secrets(tokens: &Tokens<'_>, problems: &mut Vec<Problem>) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    for block in tokens.split_inclusive(|(token, _)| matches!(token, Token::VariableEnd | Token::BlockEnd)) {
        let start = block
            .iter()
            .position(|(token, _)| matches!(token, Token::VariableStart | Token::BlockStart));
        let Some(start) = start else { continue };
        let emits = matches!(block[start].0, Token::VariableStart);
        let inner = &block[start + 1..block.len() - 1];
        let Some(first) = inner
            .iter()
            .enumerate()
            .position(|(at, _)| is_root(inner, at, "secrets"))
        else {
            continue;
        };
        let parts: Vec<_> = inner.split(|(token, _)| matches!(token, Token::Tilde)).collect();
        if !emits || !parts.iter().all(|part| is_plain(part)) {
            problems.push(Problem {
                range: inner[first].1.start..inner.last().map_or(0, |(_, range)| range.end),
                code: "secret-transformed",
                message: "a secret may be placed in a text, but not looked at or changed".into(),
                hint: Some("write `{{ secrets.name }}` alone, or join texts with `~`; what the template would see is not the value".into()),
            });
            continue;
        }
        for part in parts {
            if let [(Token::Ident("secrets"), _), _, (Token::Ident(name), range)] = part {
                found.push(((*name).to_owned(), range.clone()));
            }
        }
    }
    let catches = tokens.windows(2).find_map(|pair| match pair {
        [(Token::BlockStart, _), (Token::Ident(name), range)] if !["if", "elif", "else", "endif"].contains(name) => {
            Some(range)
        }
        _ => None,
    });
    if let (Some(range), false) = (catches, found.is_empty()) {
        problems.push(Problem {
            range: range.clone(),
            code: "secret-transformed",
            message: "a text that holds a secret may have no blocks but `{% if %}`".into(),
            hint: Some("such a block could change the secret; move it to another value".into()),
        });
    }
    found
}

/// Whether a part of an expression only names or quotes something; of `secrets`, exactly one entry.
fn is_plain(part: &[(Token<'_>, Range<usize>)]) -> bool {
    match part {
        [(Token::Str(_) | Token::String(_), _)] => true,
        [(Token::Ident("secrets"), _), rest @ ..] => matches!(rest, [(Token::Dot, _), (Token::Ident(_), _)]),
        path => path.iter().enumerate().all(|(at, (token, _))| match token {
            Token::Ident(_) => at % 2 == 0,
            Token::Dot => at % 2 == 1,
            _ => false,
        }),
    }
}

/// Whether the token is this name as a variable, and not an attribute or a named argument.
fn is_root(tokens: &[(Token<'_>, Range<usize>)], at: usize, name: &str) -> bool {
    matches!(tokens[at].0, Token::Ident(found) if found == name)
        && !at
            .checked_sub(1)
            .is_some_and(|before| matches!(tokens[before].0, Token::Dot))
}

fn find_ident(tokens: &Tokens<'_>, name: &str) -> Option<Range<usize>> {
    (0..tokens.len())
        .find(|at| is_root(tokens, *at, name))
        .map(|at| tokens[at].1.clone())
}

fn check_filters(tokens: &Tokens<'_>, problems: &mut Vec<Problem>) {
    for pair in tokens.windows(2) {
        if let [(Token::Pipe, _), (Token::Ident(name), range)] = pair
            && !FILTERS.contains(name)
        {
            problems.push(Problem {
                range: range.clone(),
                code: "unknown-filter",
                message: format!("there is no filter `{name}`"),
                hint: suggestion(name, FILTERS),
            });
        }
    }
}

/// `${NAME}` is how `AiSOC` playbooks name an integration, which only `AiSOC`'s server can look up.
fn integration_reference(text: &str) -> Option<Problem> {
    let start = text.find("${")?;
    let end = start + text[start..].find('}')? + 1;
    let name = &text[start + 2..end - 1];
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| Problem {
        range: start..end,
        code: "integration-reference",
        message: format!("`${{{name}}}` refers to an integration that only AiSOC's server can look up"),
        hint: Some(format!(
            "write the value here, or use `{{{{ secrets.{} }}}}` or `{{{{ vars.{} }}}}`",
            name.to_lowercase(),
            name.to_lowercase()
        )),
    })
}

/// A template engine's error in our words. Its own formatting is never used: it can show values.
fn explain(error: &minijinja::Error, text: &str) -> Problem {
    let range = error
        .range()
        .filter(|range| range.end <= text.len())
        .unwrap_or(0..text.len());
    let detail: String = error.detail().unwrap_or_default().chars().take(200).collect();
    let (code, message) = match error.kind() {
        ErrorKind::SyntaxError => ("template-syntax", format!("the template is not well-formed: {detail}")),
        ErrorKind::UndefinedError => {
            let name = text.get(range.clone()).unwrap_or_default().trim();
            ("undefined-variable", format!("`{name}` is not defined"))
        }
        ErrorKind::OutOfFuel => ("template-too-long", "the template computes too much".to_owned()),
        kind if detail.is_empty() => ("template", kind.to_string()),
        _ => ("template", detail),
    };
    Problem {
        range,
        code,
        message,
        hint: None,
    }
}

#[cfg(test)]
mod tests;
