//! Fills in the templates of a playbook.
//!
//! A text that is exactly one `{{ expression }}` becomes the expression's value and keeps its type; any other template
//! becomes a text. Undefined names are errors. A secret becomes a handle, and it may only be *placed* in a text
//! (`{{ secrets.x }}`, `{{ "Bearer " ~ secrets.x }}`): whatever would look at it or change it is refused before anything
//! is rendered, because the template would see the handle and not the value.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use minijinja::machinery::{Span, Token, tokenize};
use minijinja::value::{Enumerator, Object, Serde};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value as Jinja, syntax::SyntaxConfig};
use serde_json::Value;

use crate::diagnostic::{Code, nearest, suggestion};
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

/// The tests that templates may use, after `is` and `is not`.
const TESTS: [&str; 27] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
];

/// How much a template may compute, in the engine's own units.
const FUEL: u64 = 100_000;

/// What is wrong with a template, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) range: Range<usize>,
    pub(crate) code: Code,
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
    /// The steps, and where each is named.
    pub(crate) steps: Vec<(String, Range<usize>)>,
    /// Where something is named that an attacker can influence; the rendered value may depend on it.
    pub(crate) untrusted: Option<Range<usize>>,
}

/// Whether a text has anything to fill in.
pub(crate) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

/// Whether a text stands for itself.
pub(crate) fn is_literal(text: &str) -> bool {
    !is_template(text) && integration_reference(text).is_none()
}

/// Checks a template without rendering it, and tells what it looks at.
pub(crate) fn check(text: &str) -> Result<Mentions, Vec<Problem>> {
    if !is_template(text) {
        return match integration_reference(text) {
            Some(problem) => Err(vec![problem]),
            None => Ok(Mentions::default()),
        };
    }
    let template = ENVIRONMENT
        .template_from_str(text)
        .map_err(|error| vec![explain(&error, text)])?;
    let tokens = tokens(text).map_err(|error| vec![explain(&error, text)])?;
    let mut problems = Vec::new();
    problems.extend(integration_reference(text));
    let roots: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
    let untrusted = ["alert", "steps"].iter().filter(|root| roots.contains(**root));
    let mentions = Mentions {
        secrets: secrets(&tokens, &mut problems),
        steps: steps(&tokens),
        untrusted: untrusted
            .map(|root| find_ident(&tokens, root).unwrap_or(0..text.len()))
            .min_by_key(|range| range.start),
        roots,
    };
    check_roots(text, &tokens, &mentions.roots, &mut problems);
    check_names(&tokens, &mut problems);
    if problems.is_empty() {
        Ok(mentions)
    } else {
        problems.sort_by_key(|problem| problem.range.start);
        Err(problems)
    }
}

/// The values that templates see.
pub(crate) struct Renderer {
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
        Self { context, values, vault }
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
            return ENVIRONMENT
                .render_str(text, &self.context)
                .map(Value::String)
                .map_err(located);
        };
        let shifted = |mut problem: Problem| {
            problem.range = problem.range.start + expression.start..problem.range.end + expression.start;
            self.locate(problem, text)
        };
        let source = &text[expression.clone()];
        let compiled = ENVIRONMENT
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
                    code: Code::UndefinedVariable,
                    message: format!("`{}` is not defined", source.trim()),
                    hint: None,
                },
                text,
            ));
        }
        serde_json::to_value(&value).map_err(|_| Problem {
            range: expression,
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

    /// Whether a text shows a secret or what stands for one.
    pub(crate) fn holds_secret(&self, text: &str) -> bool {
        self.vault.redactor().redact(text) != text
    }

    /// Says which part of a path is missing, and what is there.
    fn locate(&self, problem: Problem, text: &str) -> Problem {
        if problem.code != Code::UndefinedVariable {
            return problem;
        }
        let Ok(tokens) = tokens(text) else { return problem };
        // The engine points at the expression, or at the filter that was given it.
        let ends = |(token, _): &(Token<'_>, _)| matches!(token, Token::VariableEnd | Token::BlockEnd);
        let holds = |block: &&[(_, Range<usize>)]| block.last().is_some_and(|last| last.1.start >= problem.range.start);
        let block = tokens.split_inclusive(ends).find(holds).unwrap_or(&tokens);
        let missing = |at: usize| self.missing(&block[at..], is_variable(block, at)?);
        (0..block.len()).find_map(missing).unwrap_or(problem)
    }

    /// The part that is missing of the path that these tokens begin with.
    fn missing(&self, tokens: &[(Token<'_>, Range<usize>)], root: &str) -> Option<Problem> {
        let mut value = self.values.get(root)?;
        let mut known = root.to_owned();
        let mut rest = &tokens[1..];
        loop {
            let (name, index, length) = match rest {
                [(Token::Dot, _), (Token::Ident(name), _), ..] => ((*name).to_owned(), None, 2),
                [(Token::BracketOpen, _), (name, _), (Token::BracketClose, _), ..] => match name {
                    Token::Str(name) => ((*name).to_owned(), None, 3),
                    Token::String(name) => (name.to_string(), None, 3),
                    Token::Int(index) => (index.to_string(), usize::try_from(*index).ok(), 3),
                    _ => return None,
                },
                _ => return None,
            };
            let next = match index {
                Some(index) => value.get(index),
                None => value.get(&name),
            };
            let path = match rest[0].0 {
                Token::Dot => format!("{known}.{name}"),
                _ if index.is_some() => format!("{known}[{name}]"),
                _ => format!("{known}[\"{name}\"]"),
            };
            if let Some(next) = next {
                (value, known, rest) = (next, path, &rest[length..]);
                continue;
            }
            // These may look at what is missing.
            let excused = match &rest[length..] {
                [(Token::Pipe, _), (Token::Ident(filter), _), ..] => ["default", "d"].contains(filter),
                [(Token::Ident("is"), _), ..] => true,
                _ => false,
            };
            return (!excused).then(|| Problem {
                range: tokens[0].1.start..rest[length - 1].1.end,
                code: Code::UndefinedVariable,
                message: format!("`{path}` is not defined"),
                hint: Some(missing_hint(root, &known, &name, value)),
            });
        }
    }
}

/// What to do about a name that a value does not have.
fn missing_hint(root: &str, known: &str, name: &str, value: &Value) -> String {
    let keys: Vec<&str> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect();
    let near = suggestion(name, keys);
    match (value, near) {
        (Value::Object(_), Some(near)) if root == "vars" => {
            let or = if near.ends_with('?') { " Otherwise" } else { "; or" };
            format!("{near}{or} set it with `--var {name}=…`")
        }
        (Value::Object(_), Some(near)) => near,
        (Value::Object(_), None) if root == "vars" => format!("set it with `--var {name}=…`"),
        (Value::Object(_), None) if known == "alert" => "`alert` is empty here; give one with `--alert FILE`".into(),
        (Value::Object(_), None) => format!("`{known}` is empty here"),
        (Value::Array(items), _) => format!("`{known}` is a list of {}", items.len()),
        _ => format!("`{known}` is a single value, with nothing inside"),
    }
}

/// What all templates share.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

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
                code: Code::SecretTransformed,
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
            code: Code::SecretTransformed,
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
    matches!(tokens[at].0, Token::Ident(found) if found == name) && !is_attribute(tokens, at)
}

fn is_attribute(tokens: &[(Token<'_>, Range<usize>)], at: usize) -> bool {
    at.checked_sub(1)
        .is_some_and(|before| matches!(tokens[before].0, Token::Dot))
}

/// The variable that a token names, if it is one.
fn is_variable<'t>(tokens: &[(Token<'t>, Range<usize>)], at: usize) -> Option<&'t str> {
    match tokens[at].0 {
        Token::Ident(name) if is_root(tokens, at, name) => Some(name),
        _ => None,
    }
}

fn find_ident(tokens: &Tokens<'_>, name: &str) -> Option<Range<usize>> {
    let at = (0..tokens.len()).find(|at| is_root(tokens, *at, name))?;
    Some(tokens[at].1.clone())
}

/// The steps that a template names, in `steps.ID` or `steps["ID"]`.
fn steps(tokens: &Tokens<'_>) -> Vec<(String, Range<usize>)> {
    let named = |at: usize| match &tokens[at + 1..] {
        [(Token::Dot, _), (Token::Ident(name), range), ..]
        | [(Token::BracketOpen, _), (Token::Str(name), range), ..] => Some(((*name).to_owned(), range.clone())),
        [(Token::BracketOpen, _), (Token::String(name), range), ..] => Some((name.to_string(), range.clone())),
        _ => None,
    };
    let roots = (0..tokens.len()).filter(|at| is_root(tokens, *at, "steps"));
    roots.filter_map(named).collect()
}

/// Every variable must be one of the roots.
fn check_roots(text: &str, tokens: &Tokens<'_>, roots: &BTreeSet<String>, problems: &mut Vec<Problem>) {
    let mut dashed: Vec<Range<usize>> = Vec::new();
    for root in roots.iter().filter(|root| !ROOTS.contains(&root.as_str())) {
        let at = (0..tokens.len()).find(|at| is_root(tokens, *at, root));
        let mut problem = Problem {
            range: at.map_or(0..text.len(), |at| tokens[at].1.clone()),
            code: Code::UndefinedVariable,
            message: format!("`{root}` is not defined"),
            hint: suggestion(root, ROOTS),
        };
        if let Some(name) = at.and_then(|at| dashed_name(tokens, at)) {
            if dashed.contains(&name) {
                continue;
            }
            let written = &text[name.clone()];
            problem.message = format!("`{written}` is read as a subtraction");
            problem.hint = Some(if text[..name.start].ends_with("secrets.") {
                "give the secret a name of letters, digits and `_`".into()
            } else {
                format!("a name with `-` in it is written in brackets: `[\"{written}\"]`")
            });
            problem.range = name.clone();
            // That is what changes the secret.
            problems.retain(|other| {
                other.code != Code::SecretTransformed || other.range.end <= name.start || other.range.start >= name.end
            });
            dashed.push(name);
        }
        problems.push(problem);
    }
}

/// The whole of a name that was torn apart at its dashes, of which the token at `at` is a part, as in `steps.find-users`.
fn dashed_name(tokens: &Tokens<'_>, at: usize) -> Option<Range<usize>> {
    let part = |at: usize| matches!(tokens[at].0, Token::Ident(_) | Token::Int(_) | Token::Minus);
    let touches = |at: usize| tokens[at].1.end == tokens[at + 1].1.start;
    let mut first = at;
    while first > 0 && part(first - 1) && touches(first - 1) {
        first -= 1;
    }
    let mut last = at;
    while last + 1 < tokens.len() && part(last + 1) && touches(last) {
        last += 1;
    }
    let of_a_path = first > 0 && matches!(tokens[first - 1].0, Token::Dot);
    (of_a_path && first < at).then(|| tokens[first].1.start..tokens[last].1.end)
}

/// Filters and tests must be known.
fn check_names(tokens: &Tokens<'_>, problems: &mut Vec<Problem>) {
    let mut unknown = |code, what: &str, name: &str, range: &Range<usize>, known: &[&str]| {
        problems.push(Problem {
            range: range.clone(),
            code,
            message: format!("there is no {what} `{name}`"),
            hint: suggestion(name, known.iter().copied()),
        });
    };
    for at in 0..tokens.len() {
        match &tokens[at..] {
            [(Token::Pipe, _), (Token::Ident(name), range), ..] if !FILTERS.contains(name) => {
                unknown(Code::UnknownFilter, "filter", name, range, &FILTERS);
            }
            [(Token::Ident("is"), _), rest @ ..] if !is_attribute(tokens, at) => {
                let negated = matches!(rest, [(Token::Ident("not"), _), ..]);
                let rest = &rest[usize::from(negated)..];
                if let [(Token::Ident(name), range), ..] = rest
                    && !TESTS.contains(name)
                {
                    unknown(Code::UnknownTest, "test", name, range, &TESTS);
                }
            }
            _ => {}
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
        code: Code::IntegrationReference,
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
        ErrorKind::OutOfFuel => (Code::TemplateTooLong, "the template computes too much".to_owned()),
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
