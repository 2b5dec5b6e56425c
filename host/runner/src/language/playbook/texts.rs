//! Reads the templates and conditions of a step.

use serde_json::{Map, Value};

use super::read::unknown_keys;
use crate::language::condition::{Condition, Gate, Operator};
use crate::language::for_each::MOST_ITEMS;
use crate::language::render::locate;
use crate::language::render::{self, Mentions, Problem, Scope};
use crate::text::diagnostic::{Code, Diagnostic, Place};
use crate::text::document::Document;
use crate::text::json::each_text;

/// Keys of a condition that is a map.
const CONDITION_KEYS: [&str; 4] = ["field", "operator", "value", "expression"];

/// Reading the templates and conditions of one step.
pub(super) struct Texts<'d> {
    pub(super) document: &'d Document,
    pub(super) inputs: Vec<(String, Mentions)>,
    pub(super) problems: Vec<Diagnostic>,
}

/// The list of a step, and whether it can be trusted.
pub(super) struct Items {
    pub(super) value: Value,
    pub(super) untrusted: bool,
}

impl Texts<'_> {
    pub(super) fn gate(&mut self, map: &Map<String, Value>, pointer: &str) -> Gate {
        let when_at = format!("{pointer}/when");
        let when = match map.get("when") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(holds)) => Some(Condition::literal(*holds)),
            Some(Value::String(text)) => self.expression(text, &when_at, Scope::Roots),
            Some(_) => {
                self.wrong(
                    &when_at,
                    Code::WrongType,
                    "`when` must be an expression or true or false",
                );
                None
            }
        };
        let condition_at = format!("{pointer}/condition");
        let condition = match map.get("condition") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(holds)) => Some(Condition::literal(*holds)),
            Some(Value::String(text)) => self.expression(text, &condition_at, Scope::AlertFields),
            Some(Value::Object(parts)) => self.condition(parts, &condition_at),
            Some(_) => {
                let message = "`condition` must be an expression, or a map with `field` and `operator`";
                self.wrong(&condition_at, Code::WrongType, message);
                None
            }
        };
        Gate { when, condition }
    }

    fn expression(&mut self, text: &str, pointer: &str, scope: Scope) -> Option<Condition> {
        let condition = Condition::expression(text, pointer, scope);
        condition
            .map_err(|problems| {
                for problem in problems {
                    self.problem(pointer, problem);
                }
            })
            .ok()
    }

    fn condition(&mut self, parts: &Map<String, Value>, pointer: &str) -> Option<Condition> {
        self.problems
            .extend(unknown_keys(self.document, parts, pointer, &CONDITION_KEYS));
        let given = |key: &str| parts.get(key).filter(|value| !value.is_null());
        // AiSOC writes an empty `field` beside an expression.
        let field = given("field").filter(|field| *field != "" || given("expression").is_none());
        let at = |key: &str| format!("{pointer}/{key}");
        match (given("expression"), field) {
            (Some(_), Some(_)) => {
                let message = "a condition has either `expression` or `field`, not both";
                self.wrong(&at("expression"), Code::ConflictingKeys, message);
                None
            }
            (Some(Value::String(text)), None) => self.expression(text, &at("expression"), Scope::AlertFields),
            (Some(_), None) => {
                self.wrong(&at("expression"), Code::WrongType, "`expression` must be a text");
                None
            }
            (None, Some(Value::String(text))) => self.comparison(text, parts, pointer),
            (None, Some(_)) => {
                self.wrong(&at("field"), Code::WrongType, "`field` must be a text");
                None
            }
            (None, None) => {
                self.wrong(pointer, Code::MissingKey, "a condition needs `field` or `expression`");
                None
            }
        }
    }

    fn comparison(&mut self, field: &str, parts: &Map<String, Value>, pointer: &str) -> Option<Condition> {
        let operator_at = format!("{pointer}/operator");
        let operator = match parts.get("operator") {
            None | Some(Value::Null) => Some(Operator::Eq),
            Some(Value::String(word)) => match Operator::parse(word) {
                Ok(operator) => Some(operator),
                Err(hint) => {
                    let message = format!("there is no operator `{word}`");
                    let place = self.place(&operator_at);
                    self.problems.push(
                        Diagnostic::error(Code::UnknownValue, message)
                            .at(place)
                            .maybe_hint(hint),
                    );
                    None
                }
            },
            Some(_) => {
                self.wrong(&operator_at, Code::WrongType, "`operator` must be a text");
                None
            }
        };
        let value = parts.get("value").cloned().unwrap_or_default();
        if operator.is_some_and(|operator| operator != Operator::Exists) && !parts.contains_key("value") {
            self.wrong(pointer, Code::MissingKey, "the comparison has no `value`");
        }
        // The value may have templates, which count as part of the condition.
        let earlier = self.inputs.len();
        self.templates(&value, &format!("{pointer}/value"), Scope::Roots);
        let looked_at: Vec<(String, Mentions)> = self.inputs.drain(earlier..).collect();
        for (at, mentions) in &looked_at {
            if let Some((_, range)) = mentions.secrets.first() {
                self.problem(at, render::looked_at_secret(range.clone()));
            }
        }
        let looked_at = looked_at.into_iter().map(|(_, mentions)| mentions).collect();
        let field_at = format!("{pointer}/field");
        match Condition::field(field, operator?, value, looked_at, &field_at) {
            Ok(condition) => Some(condition),
            Err(problem) => {
                self.problem(&field_at, problem);
                None
            }
        }
    }

    pub(super) fn for_each(&mut self, map: &Map<String, Value>, pointer: &str) -> Option<Items> {
        let value = map.get("for_each").filter(|value| !value.is_null())?;
        let at = format!("{pointer}/for_each");
        let fits = match value {
            Value::Array(items) => {
                if items.len() > MOST_ITEMS {
                    let message = format!("`for_each` has {} items, and at most {MOST_ITEMS} are run", items.len());
                    self.wrong(&at, Code::TooManyItems, &message);
                }
                true
            }
            // What is wrong inside the braces is said below.
            Value::String(text) => {
                render::sole_expression(text).is_some() || text.starts_with("{{") && text.ends_with("}}")
            }
            _ => false,
        };
        if !fits {
            let message = "`for_each` must be a list, or one `{{ expression }}` that gives one";
            self.wrong(&at, Code::WrongType, message);
        }
        let earlier = self.inputs.len();
        self.templates(value, &at, Scope::Roots);
        let mut secret = None;
        let mut untrusted = false;
        for (at, mentions) in &self.inputs[earlier..] {
            untrusted |= mentions.untrusted();
            secret = secret.or_else(|| Some((at.clone(), mentions.secrets.first()?.1.clone())));
        }
        if let Some((at, range)) = secret {
            let problem = Problem {
                range,
                code: Code::SecretTransformed,
                message: "a secret may not be an item, which templates could look at".into(),
                hint: Some("name the secret in the params".into()),
            };
            self.problem(&at, problem);
        }
        Some(Items {
            value: value.clone(),
            untrusted,
        })
    }

    /// Checks every template below a pointer.
    pub(super) fn templates(&mut self, value: &Value, pointer: &str, scope: Scope) {
        each_text(value, pointer, &mut |pointer, text| match render::check(text, scope) {
            Ok(mentions) if mentions == Mentions::default() => {}
            Ok(mentions) => self.inputs.push((pointer.to_owned(), mentions)),
            Err(problems) => {
                for problem in problems {
                    self.problem(pointer, problem);
                }
            }
        });
    }

    fn problem(&mut self, pointer: &str, problem: Problem) {
        self.problems.push(locate(self.document, pointer, problem));
    }

    fn wrong(&mut self, pointer: &str, code: Code, message: &str) {
        let place = self.place(pointer);
        self.problems.push(Diagnostic::error(code, message).at(place));
    }

    fn place(&self, pointer: &str) -> Place {
        Place::bytes(self.document.source().clone(), self.document.span(pointer))
    }
}
