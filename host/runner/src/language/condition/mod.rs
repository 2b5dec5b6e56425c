//! Conditions: whether a step runs.

use serde_json::Value;

use crate::language::render::locate;
use crate::language::render::{self, Mentions, Problem, ROOTS, Renderer, Scope};
use crate::text::diagnostic::{Code, Diagnostic, suggestion};
use crate::text::document::Document;
use crate::text::json::kind;
use crate::text::schema::Provenance;

/// What has to hold for a step to run. Where it does not, a run may go on elsewhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    /// `when`.
    pub(crate) when: Option<Condition>,
    /// `condition`, the form that `AiSOC` has.
    pub(crate) condition: Option<Condition>,
}

/// Which part of a gate does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Barrier {
    When,
    Condition,
}

/// Whether a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Runs,
    Barred(Barrier),
}

/// Something that holds or does not.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    test: Test,
    /// Where its text stands in the document, as a JSON pointer.
    pointer: String,
    /// What it looks at.
    pub(crate) mentions: Mentions,
}

#[derive(Debug, Clone)]
enum Test {
    /// `true` or `false`.
    Literal(bool),
    /// A minijinja expression.
    Expression { text: String, scope: Scope },
    /// A field compared with a value.
    Field {
        path: Vec<String>,
        operator: Operator,
        value: Value,
    },
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Eq,
    Ne,
    Contains,
    Gt,
    Lt,
    Exists,
}

impl Operator {
    const WORDS: [(&'static str, Self); 6] = [
        ("eq", Self::Eq),
        ("ne", Self::Ne),
        ("contains", Self::Contains),
        ("gt", Self::Gt),
        ("lt", Self::Lt),
        ("exists", Self::Exists),
    ];

    /// The operator with this name, or what is wrong with it.
    pub(crate) fn parse(word: &str) -> Result<Self, Option<String>> {
        let words = Self::WORDS.map(|(known, _)| known);
        Self::WORDS
            .into_iter()
            .find_map(|(known, operator)| (known == word).then_some(operator))
            .ok_or_else(|| suggestion(word, words))
    }

    fn word(self) -> &'static str {
        let named = Self::WORDS.into_iter().find(|(_, operator)| *operator == self);
        named.expect("every operator has a word").0
    }

    /// Compares a field that is there with a value; the error says why that cannot be done.
    fn compare(self, found: &Value, value: &Value) -> Result<bool, String> {
        match self {
            Self::Exists => Ok(!found.is_null()),
            Self::Eq => Ok(equal(found, value)),
            Self::Ne => Ok(!equal(found, value)),
            Self::Contains => match (found, value) {
                // As in AiSOC: whether the field is one of these.
                (_, Value::Array(options)) => Ok(options.iter().any(|option| equal(found, option))),
                (Value::Array(items), _) => Ok(items.iter().any(|item| equal(item, value))),
                (Value::String(text), Value::String(part)) => Ok(text.contains(part.as_str())),
                (Value::String(text), Value::Number(part)) => Ok(text.contains(&part.to_string())),
                (Value::Null, _) => Ok(false),
                _ => Err(format!(
                    "`contains` looks into a text or a list, and this is {}",
                    kind(found)
                )),
            },
            Self::Gt | Self::Lt => {
                let number = |side: &Value| {
                    as_number(side)
                        .ok_or_else(|| format!("`{}` compares numbers, and this is {}", self.word(), kind(side)))
                };
                let (found, value) = (number(found)?, number(value)?);
                Ok(if self == Self::Gt { found > value } else { found < value })
            }
        }
    }
}

impl Gate {
    /// Its parts, in the order in which they are asked.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (Barrier, &Condition)> {
        let when = self.when.iter().map(|condition| (Barrier::When, condition));
        let condition = self.condition.iter().map(|condition| (Barrier::Condition, condition));
        when.chain(condition)
    }

    /// Whether it looks at the results of earlier steps.
    pub(crate) fn needs_results(&self) -> bool {
        self.parts().any(|(_, condition)| condition.mentions.needs_results())
    }

    /// Asks its parts until one does not hold.
    pub(crate) fn decide(&self, document: &Document, renderer: &Renderer) -> Result<Decision, Diagnostic> {
        for (part, condition) in self.parts() {
            if !condition.holds(document, renderer)? {
                return Ok(Decision::Barred(part));
            }
        }
        Ok(Decision::Runs)
    }
}

impl Condition {
    /// `true` or `false`, as it stands.
    pub(crate) fn literal(holds: bool) -> Self {
        Self {
            test: Test::Literal(holds),
            pointer: String::new(),
            mentions: Mentions::default(),
        }
    }

    /// An expression that stands at `pointer`.
    pub(crate) fn expression(text: &str, pointer: &str, scope: Scope) -> Result<Self, Vec<Problem>> {
        let mentions = render::check_expression(text, scope)?;
        Ok(Self {
            test: Test::Expression {
                text: text.to_owned(),
                scope,
            },
            pointer: pointer.to_owned(),
            mentions,
        })
    }

    /// A field, named by a text that stands at `pointer`, compared with a value.
    pub(crate) fn field(
        text: &str,
        operator: Operator,
        value: Value,
        looked_at_by_value: Vec<Mentions>,
        pointer: &str,
    ) -> Result<Self, Problem> {
        let (path, mut mentions) = field_path(text)?;
        for more in looked_at_by_value {
            mentions.roots.extend(more.roots);
            mentions.steps.extend(more.steps);
            mentions.vars.extend(more.vars);
            mentions.untrusted_at = mentions.untrusted_at.or(more.untrusted_at);
        }
        Ok(Self {
            test: Test::Field { path, operator, value },
            pointer: pointer.to_owned(),
            mentions,
        })
    }

    /// Where its text stands in the document, as a JSON pointer.
    pub(crate) fn pointer(&self) -> &str {
        &self.pointer
    }

    fn holds(&self, document: &Document, renderer: &Renderer) -> Result<bool, Diagnostic> {
        let problem = |problem| locate(document, &self.pointer, problem);
        match &self.test {
            Test::Literal(holds) => Ok(*holds),
            Test::Expression { text, scope } => {
                let value = renderer.expression(text, *scope).map_err(problem)?;
                value.as_bool().ok_or_else(|| {
                    problem(Problem {
                        range: 0..text.len(),
                        code: Code::WrongType,
                        message: format!("a condition must be true or false, and this is {}", kind(&value)),
                        hint: Some("compare it: `… == 'x'`, `… | length > 0`, `… is not none`".into()),
                    })
                })
            }
            Test::Field { path, operator, value } => {
                let beside = self.pointer.trim_end_matches("field");
                let value = rendered(value, &format!("{beside}value"), document, renderer)?;
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                let found = names
                    .iter()
                    .try_fold(renderer.values(), |value, name| render::entry(value, name));
                let whole = 0..path.join(".").len();
                let Some(found) = found else {
                    if *operator == Operator::Exists {
                        return Ok(false);
                    }
                    let (message, hint) = render::missing(renderer.values(), &names).unwrap_or_else(|| {
                        let message = format!("`{}` is not defined", path.join("."));
                        (message, "ask first whether it `exists`".to_owned())
                    });
                    return Err(problem(Problem {
                        range: whole,
                        code: Code::UndefinedVariable,
                        message,
                        hint: Some(hint),
                    }));
                };
                operator.compare(found, &value).map_err(|message| {
                    problem(Problem {
                        range: whole,
                        code: Code::WrongType,
                        message,
                        hint: None,
                    })
                })
            }
        }
    }
}

/// A dotted path into what templates see. A path that begins with no root is a field of the alert.
fn field_path(text: &str) -> Result<(Vec<String>, Mentions), Problem> {
    let invalid = |message: &str| Problem {
        range: 0..text.len(),
        code: Code::InvalidValue,
        message: message.to_owned(),
        hint: Some("for example `alert.severity` or `steps.lookup.result.partial`".into()),
    };
    if render::is_template(text) {
        return Err(invalid("`field` names a field, without `{{ }}`"));
    }
    let mut parts = Vec::new();
    let mut start = 0;
    for name in text.split('.') {
        if name.trim() != name || name.is_empty() {
            return Err(invalid("`field` must be names with dots between them"));
        }
        parts.push((name, start..start + name.len()));
        start += name.len() + 1;
    }
    match parts[0].0 {
        "secrets" => return Err(render::looked_at_secret(0..text.len())),
        root if ROOTS.contains(&root) => {}
        _ => parts.insert(0, ("alert", 0..0)),
    }
    let path = parts.iter().map(|(name, _)| (*name).to_owned()).collect();
    Ok((path, Mentions::of_path(&parts)))
}

fn rendered(value: &Value, pointer: &str, document: &Document, renderer: &Renderer) -> Result<Value, Diagnostic> {
    match value {
        Value::String(text) => renderer
            .render(text, Provenance::Any)
            .map_err(|problem| locate(document, pointer, problem)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| rendered(item, &format!("{pointer}/{index}"), document, renderer))
            .collect(),
        other => Ok(other.clone()),
    }
}

/// Equality as people mean it: `1` is `1.0`.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
