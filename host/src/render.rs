//! Fills in the templates of a playbook.
//!
//! A text that is exactly one `{{ expression }}` becomes the expression's value and keeps its type; any other template
//! becomes a text. Undefined names are errors. A secret becomes a handle, and it may only be *placed* in a text
//! (`{{ secrets.x }}`, `{{ "Bearer " ~ secrets.x }}`): whatever would look at it or change it is refused before anything
//! is rendered, because the template would see the handle and not the value.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use minijinja::machinery::{Span, Token, tokenize};
use minijinja::value::{Enumerator, Object, Serde};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value as Jinja, syntax::SyntaxConfig};
use serde_json::{Value, json};

use crate::diagnostic::suggestion;
use crate::secrets::{ENV_PREFIX, Vault};

/// The names that templates may begin with.
pub(crate) const ROOTS: [&str; 5] = ["secrets", "alert", "vars", "steps", "run"];

/// What templates see besides, in the params of a step that runs for each item of a list.
const ITEM: [&str; 2] = ["item", "item_index"];

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

/// The tests that may follow `is`.
const TESTS: [&str; 32] = [
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
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
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

/// Which names there are where a template stands, besides [`ROOTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Scope {
    /// None.
    #[default]
    Roots,
    /// `item` and `item_index`, in the params of a step that runs for each item of a list.
    Item {
        /// Whether the list may depend on what an attacker can influence.
        untrusted: bool,
    },
    /// The alert's own fields, in conditions: `severity` is `alert.severity`, as in `AiSOC`.
    AlertFields,
}

/// What a template looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mentions {
    /// The names it begins with.
    pub(crate) roots: BTreeSet<String>,
    /// The secrets, and where each is named.
    pub(crate) secrets: Vec<(String, Range<usize>)>,
    /// The entries of `steps`.
    pub(crate) steps: Vec<Mention>,
    /// The entries of `vars`.
    pub(crate) vars: Vec<Mention>,
    /// Whether `item` stands for something that an attacker can influence.
    untrusted_item: bool,
}

/// An entry of `steps` or `vars` that a template looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    /// The entry's name.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) range: Range<usize>,
    /// What of the entry is looked at, and where that is named.
    pub(crate) attribute: Option<(String, Range<usize>)>,
    /// Whether the template has an answer for an entry that is not there (`| default`, `is defined`).
    pub(crate) guarded: bool,
}

impl Mentions {
    /// What a dotted path looks at.
    pub(crate) fn of_path(parts: &[(&str, Range<usize>)]) -> Self {
        let mut mentions = Self::default();
        let Some(((root, _), rest)) = parts.split_first() else {
            return mentions;
        };
        mentions.roots.insert((*root).to_owned());
        let owned = |(name, range): &(&str, Range<usize>)| ((*name).to_owned(), range.clone());
        if let Some((name, range)) = rest.first().map(owned) {
            let mention = Mention {
                name,
                range,
                attribute: rest.get(1).map(owned),
                guarded: false,
            };
            match *root {
                "steps" => mentions.steps.push(mention),
                "vars" => mentions.vars.push(mention),
                _ => {}
            }
        }
        mentions
    }

    /// Whether the rendered value may depend on what an attacker can influence.
    pub(crate) fn untrusted(&self) -> bool {
        let from = |root: &str| self.roots.contains(root);
        from("alert") || from("steps") || (self.untrusted_item && from("item"))
    }

    /// Whether it looks at the results of earlier steps.
    pub(crate) fn needs_results(&self) -> bool {
        self.roots.contains("steps")
    }
}

/// Whether a text has anything to fill in.
pub(crate) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

/// Checks a template without rendering it, and tells what it looks at.
pub(crate) fn check(text: &str, scope: Scope) -> Result<Mentions, Vec<Problem>> {
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
    let tokens = tokens(text, false).map_err(|error| vec![explain(&error, text)])?;
    let mut problems = Vec::new();
    let secrets = secrets(&tokens, &mut problems);
    let roots = template.undeclared_variables(false).into_iter().collect();
    let mentions = look(text, &tokens, roots, scope, &mut problems);
    if problems.is_empty() {
        Ok(Mentions { secrets, ..mentions })
    } else {
        Err(problems)
    }
}

/// Checks an expression that stands without `{{ }}`, and tells what it looks at.
pub(crate) fn check_expression(text: &str, scope: Scope) -> Result<Mentions, Vec<Problem>> {
    if let Some(at) = ["{{", "{%", "{#"].iter().filter_map(|mark| text.find(mark)).min() {
        return Err(vec![Problem {
            range: at..text.len(),
            code: "template-syntax",
            message: "an expression stands without `{{ }}`".into(),
            hint: Some("for example `alert.severity == 'high'`".into()),
        }]);
    }
    let environment = environment();
    let expression = environment
        .compile_expression(text)
        .map_err(|error| vec![explain(&error, text)])?;
    let tokens = tokens(text, true).map_err(|error| vec![explain(&error, text)])?;
    let mut problems = Vec::new();
    if let Some(range) = find_ident(&tokens, "secrets") {
        problems.push(looked_at_secret(range));
    }
    let roots = expression.undeclared_variables(false).into_iter().collect();
    let mentions = look(text, &tokens, roots, scope, &mut problems);
    if problems.is_empty() {
        Ok(mentions)
    } else {
        Err(problems)
    }
}

/// A secret where its value would decide something.
pub(crate) fn looked_at_secret(range: Range<usize>) -> Problem {
    Problem {
        range,
        code: "secret-transformed",
        message: "a secret may be placed in a text, but not looked at or changed".into(),
        hint: Some("a condition would see a handle, not the value; decide with `vars`".into()),
    }
}

/// What the tokens of a template or an expression look at; everything wrong with them is added to `problems`.
fn look(
    text: &str,
    tokens: &Tokens<'_>,
    mut roots: BTreeSet<String>,
    scope: Scope,
    problems: &mut Vec<Problem>,
) -> Mentions {
    problems.extend(integration_reference(text));
    let in_scope = |root: &str| ROOTS.contains(&root) || (matches!(scope, Scope::Item { .. }) && ITEM.contains(&root));
    let unknown: Vec<String> = roots.iter().filter(|root| !in_scope(root)).cloned().collect();
    for root in unknown {
        if scope == Scope::AlertFields && root != "null" {
            roots.remove(&root);
            roots.insert("alert".to_owned());
            continue;
        }
        problems.push(undefined_root(text, tokens, &root, scope));
    }
    check_filters(tokens, problems);
    check_tests(tokens, problems);
    let entries = |root: &str| {
        let ours = roots.contains(root);
        let at = (0..tokens.len()).filter(move |at| ours && is_root(tokens, *at, root));
        at.filter_map(|at| mention(tokens, at)).collect()
    };
    Mentions {
        secrets: Vec::new(),
        steps: entries("steps"),
        vars: entries("vars"),
        untrusted_item: scope == Scope::Item { untrusted: true },
        roots,
    }
}

fn undefined_root(text: &str, tokens: &Tokens<'_>, root: &str, scope: Scope) -> Problem {
    let at = (0..tokens.len()).find(|at| is_root(tokens, *at, root));
    let after_dash = at.is_some_and(|at| at > 1 && matches!(tokens[at - 1].0, Token::Minus));
    let hint = match root {
        "null" => Some("write `none`".to_owned()),
        _ if ITEM.contains(&root) => Some("`item` is there in the params of a step that has `for_each`".to_owned()),
        _ if after_dash => Some("a name that holds `-` stands in brackets: `steps['my-step'].result`".to_owned()),
        _ if matches!(scope, Scope::Item { .. }) => suggestion(root, ROOTS.into_iter().chain(ITEM)),
        _ => suggestion(root, ROOTS),
    };
    Problem {
        range: at.map_or(0..text.len(), |at| tokens[at].1.clone()),
        code: "undefined-variable",
        message: format!("`{root}` is not defined"),
        hint,
    }
}

/// The values that templates see.
pub(crate) struct Renderer {
    environment: Arc<Environment<'static>>,
    context: BTreeMap<String, Jinja>,
    values: Arc<Value>,
    item: Option<Arc<Value>>,
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
        Self {
            environment: Arc::new(environment()),
            context: roots.chain([handles]).collect(),
            values: Arc::new(values),
            item: None,
            vault,
        }
    }

    /// The same, with an item of a list.
    pub(crate) fn with_item(&self, item: &Value, index: usize) -> Self {
        let mut context = self.context.clone();
        context.insert("item".to_owned(), Jinja::from(Serde(item)));
        context.insert("item_index".to_owned(), Jinja::from(index));
        Self {
            environment: self.environment.clone(),
            context,
            values: self.values.clone(),
            item: Some(Arc::new(item.clone())),
            vault: self.vault.clone(),
        }
    }

    /// What `alert`, `vars`, `steps` and `run` stand for.
    pub(crate) fn values(&self) -> &Value {
        &self.values
    }

    /// Renders a text. It must have passed [`check`].
    pub(crate) fn render(&self, text: &str) -> Result<Value, Problem> {
        if !is_template(text) {
            return Ok(Value::String(text.to_owned()));
        }
        let scope = match &self.item {
            Some(_) => Scope::Item { untrusted: true },
            None => Scope::Roots,
        };
        for (name, range) in check(text, scope)
            .map_err(|problems| problems.into_iter().next().expect("an error names a problem"))?
            .secrets
        {
            if self.vault.handle(&name).is_none() {
                return Err(self.unknown_secret(&name, range));
            }
        }
        let context = Jinja::from_pairs(self.context.clone());
        let Some(expression) = sole_expression(text) else {
            return self
                .environment
                .render_str(text, &context)
                .map(Value::String)
                .map_err(|error| self.locate(explain(&error, text), text, false, Scope::Roots));
        };
        self.evaluate(&text[expression.clone()], &context, Scope::Roots)
            .map_err(|mut problem| {
                problem.range = problem.range.start + expression.start..problem.range.end + expression.start;
                problem
            })
    }

    /// The value of an expression. It must have passed [`check_expression`].
    pub(crate) fn expression(&self, text: &str, scope: Scope) -> Result<Value, Problem> {
        let mut context = self.context.clone();
        if scope == Scope::AlertFields {
            for (name, value) in self.values["alert"].as_object().into_iter().flatten() {
                let field = || Jinja::from(Serde(value));
                context.entry(name.clone()).or_insert_with(field);
            }
        }
        self.evaluate(text, &Jinja::from_pairs(context), scope)
    }

    fn evaluate(&self, source: &str, context: &Jinja, scope: Scope) -> Result<Value, Problem> {
        let value = self
            .environment
            .compile_expression(source)
            .and_then(|compiled| compiled.eval(context))
            .map_err(|error| self.locate(explain(&error, source), source, true, scope))?;
        let start = source.len() - source.trim_start().len();
        let range = start..start + source.trim().len();
        if value.is_undefined() {
            let problem = Problem {
                range,
                code: "undefined-variable",
                message: format!("`{}` is not defined", source.trim()),
                hint: None,
            };
            return Err(self.locate(problem, source, true, scope));
        }
        serde_json::to_value(&value).map_err(|_| Problem {
            range,
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

    /// Says which part of a path is missing, and what is there. The engine's own place can be a part of the path, or all
    /// that it is compared with.
    fn locate(&self, mut problem: Problem, text: &str, is_expression: bool, scope: Scope) -> Problem {
        if problem.code != "undefined-variable" {
            return problem;
        }
        let Ok(tokens) = tokens(text, is_expression) else {
            return problem;
        };
        let roots = (0..tokens.len()).filter(|at| *at == 0 || !matches!(tokens[at - 1].0, Token::Dot));
        for mut parts in roots.map(|at| path(&tokens, at)) {
            let Some(range) = place_of(&parts) else { continue };
            let concerned = range.start < problem.range.end && problem.range.start < range.end;
            if !concerned || is_guarded(&tokens, range.end) {
                continue;
            }
            let root = parts[0].0.clone();
            let is_field = scope == Scope::AlertFields && self.values.get(&root).is_none();
            if is_field {
                parts.insert(0, ("alert".to_owned(), 0..0));
            }
            let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
            let found = match &self.item {
                Some(item) if root == "item" => missing(&json!({"item": item.as_ref()}), &names),
                _ => missing(&self.values, &names),
            };
            let Some((message, hint)) = found else { continue };
            problem.range = range;
            problem.message = message;
            problem.hint = Some(match crate::diagnostic::nearest(&root, ROOTS) {
                Some(near) if is_field => format!("did you mean `{near}`?"),
                _ => hint,
            });
            break;
        }
        problem
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
            _ => {
                let keys: Vec<&str> = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(key, _)| key.as_str())
                    .collect();
                suggestion(name, keys).unwrap_or_else(|| format!("`{known}` is empty here"))
            }
        };
        return Some((format!("`{known}.{name}` is not defined"), hint));
    }
    None
}

/// An entry of a map, or an item of a list by its number.
pub(crate) fn entry<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(map) => map.get(name),
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
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

fn tokens(text: &str, is_expression: bool) -> Result<Tokens<'_>, minijinja::Error> {
    let range = |span: Span| span.start_offset as usize..span.end_offset as usize;
    tokenize(text, is_expression, SyntaxConfig::default())
        .map(|token| token.map(|(token, span)| (token, range(span))))
        .collect()
}

/// Where the text of the expression stands, if the template is nothing but one.
pub(crate) fn sole_expression(text: &str) -> Option<Range<usize>> {
    let tokens = tokens(text, false).ok()?;
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

/// The path that begins at a token, such as `a.b['c']`: its parts, and where each stands.
fn path(tokens: &Tokens<'_>, at: usize) -> Vec<(String, Range<usize>)> {
    let Some((Token::Ident(root), range)) = tokens.get(at) else {
        return Vec::new();
    };
    let mut parts = vec![((*root).to_owned(), range.clone())];
    let mut rest = &tokens[at + 1..];
    loop {
        let (part, after) = match rest {
            [(Token::Dot, _), (Token::Ident(name), range), after @ ..] => (((*name).to_owned(), range.clone()), after),
            [
                (Token::BracketOpen, _),
                (index, range),
                (Token::BracketClose, _),
                after @ ..,
            ] => {
                let name = match index {
                    Token::Str(name) => (*name).to_owned(),
                    Token::String(name) => name.to_string(),
                    Token::Int(number) => number.to_string(),
                    _ => return parts,
                };
                ((name, range.clone()), after)
            }
            _ => return parts,
        };
        parts.push(part);
        rest = after;
    }
}

/// Where a path stands, from its root to its last part.
fn place_of(parts: &[(String, Range<usize>)]) -> Option<Range<usize>> {
    Some(parts.first()?.1.start..parts.last()?.1.end)
}

/// The entry that is looked at where a root stands.
fn mention(tokens: &Tokens<'_>, at: usize) -> Option<Mention> {
    let parts = path(tokens, at);
    let guarded = is_guarded(tokens, place_of(&parts)?.end);
    let mut parts = parts.into_iter().skip(1);
    let (name, range) = parts.next()?;
    Some(Mention {
        name,
        range,
        attribute: parts.next(),
        guarded,
    })
}

/// Whether what ends here may be undefined: `| default` or `is defined` follows.
fn is_guarded(tokens: &Tokens<'_>, end: usize) -> bool {
    let after = tokens.iter().filter(|(_, range)| range.start >= end);
    let after: Vec<&Token<'_>> = after
        .map(|(token, _)| token)
        .skip_while(|token| matches!(token, Token::BracketClose))
        .take(3)
        .collect();
    matches!(
        after.as_slice(),
        [Token::Pipe, Token::Ident("default" | "d"), ..]
            | [Token::Ident("is"), Token::Ident("defined" | "undefined"), ..]
            | [
                Token::Ident("is"),
                Token::Ident("not"),
                Token::Ident("defined" | "undefined")
            ]
    )
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

fn check_tests(tokens: &Tokens<'_>, problems: &mut Vec<Problem>) {
    for (at, (token, _)) in tokens.iter().enumerate() {
        let is_attribute = at > 0 && matches!(tokens[at - 1].0, Token::Dot);
        if !matches!(token, Token::Ident("is")) || is_attribute {
            continue;
        }
        let negated = matches!(tokens.get(at + 1), Some((Token::Ident("not"), _)));
        if let Some((Token::Ident(name), range)) = tokens.get(at + 1 + usize::from(negated))
            && !TESTS.contains(name)
        {
            problems.push(Problem {
                range: range.clone(),
                code: "unknown-test",
                message: format!("there is no test `{name}`"),
                hint: if *name == "null" {
                    Some("did you mean `none`?".into())
                } else {
                    suggestion(name, TESTS)
                },
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
