//! What is wrong with a value, in words a playbook author can use.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

use super::{MOST_PROBLEMS, Schema};
use crate::text::diagnostic::{Code, cut, nearest, suggestion};
use crate::text::json::escape_key;

/// What a value does wrong. The message never shows the value, which may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SchemaProblem {
    /// A JSON pointer to the value.
    pub pointer: String,
    /// Whether the key is meant rather than the value.
    pub at_key: bool,
    /// The kind of problem.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The values that it is about, as JSON pointers; those of templates are not known before they are rendered.
    values: Vec<String>,
    /// What to do next where a template gave the value.
    rendered_hint: Option<&'static str>,
    /// The key that is missing.
    pub(super) missing: Option<String>,
    /// The key that a misspelt one is likely meant to be.
    pub(super) meant: Option<String>,
}

impl SchemaProblem {
    /// A problem of a value.
    pub(super) fn new(pointer: String, code: Code, message: String) -> Self {
        Self {
            values: vec![pointer.clone()],
            pointer,
            at_key: false,
            code,
            message,
            hint: None,
            rendered_hint: None,
            missing: None,
            meant: None,
        }
    }

    /// The values that it is about, as JSON pointers: with other values there would be no problem.
    pub(crate) fn values(&self) -> &[String] {
        &self.values
    }

    /// The same problem of a value that a template gave, which is not written as literals are.
    pub(crate) fn of_a_template(mut self) -> Self {
        if let Some(hint) = self.rendered_hint {
            self.hint = Some(hint.to_owned());
        }
        self
    }
}

impl Schema {
    /// One failure of a validator can be several problems.
    pub(super) fn explain(&self, error: &ValidationError<'_>) -> Vec<SchemaProblem> {
        let pointer = error.instance_path().as_str().to_owned();
        let problem = |code, message: String| SchemaProblem::new(pointer.clone(), code, message);
        let name = subject(&pointer);
        if let Some(message) = self.custom_message(error) {
            // A message that has no subject is about the value.
            let message = if message.starts_with("must ") {
                format!("{name} {message}")
            } else {
                message
            };
            return vec![self.custom(error, problem(custom_code(error), message))];
        }
        let one = match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                return self.unknown_keys(error, &pointer, unexpected);
            }
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                match meant_branch(context) {
                    Some(branch) => return branch.iter().flat_map(|error| self.explain(error)).collect(),
                    None => problem(Code::InvalidValue, format!("{name} fits none of the accepted forms")),
                }
            }
            ValidationErrorKind::Required { property } => {
                let property = property.as_str().unwrap_or_default();
                let mut missing = problem(Code::MissingKey, format!("`{property}` is missing"));
                missing.at_key = true;
                missing.values.clear();
                missing.hint = self.description(error, property);
                missing.missing = Some(property.to_owned());
                missing
            }
            ValidationErrorKind::Enum { options } => {
                let options: Vec<&str> = options
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let found = error.instance().as_str().unwrap_or_default();
                let mut unknown = problem(
                    Code::UnknownValue,
                    format!("{name} must be one of: {}", options.join(", ")),
                );
                unknown.hint = nearest(found, options).map(|near| format!("did you mean `{near}`?"));
                unknown
            }
            ValidationErrorKind::Type { kind } => {
                let mut wrong = problem(Code::WrongType, wrong_type(&name, kind, error.instance()));
                (wrong.hint, wrong.rendered_hint) = type_hints(error);
                wrong
            }
            _ => match out_of_range(&name, error.kind()) {
                Some(message) => problem(Code::OutOfRange, message),
                None => problem(Code::InvalidValue, invalid_value(&name, error)),
            },
        };
        vec![one]
    }

    fn unknown_keys(&self, error: &ValidationError<'_>, pointer: &str, unexpected: &[String]) -> Vec<SchemaProblem> {
        let known = self.known_keys(error);
        let problem = |key: &String| SchemaProblem {
            at_key: true,
            hint: suggestion(key, known.iter().map(String::as_str)),
            values: Vec::new(),
            meant: nearest(key, known.iter().map(String::as_str)).map(str::to_owned),
            ..SchemaProblem::new(
                format!("{pointer}/{}", escape_key(key)),
                Code::UnknownKey,
                format!("unknown key `{}`", cut(key)),
            )
        };
        unexpected.iter().take(MOST_PROBLEMS).map(problem).collect()
    }

    /// `x-message` of the schema that holds the failing keyword.
    fn custom_message(&self, error: &ValidationError<'_>) -> Option<String> {
        let holder = self.holder(error)?;
        Some(holder.get("x-message")?.as_str()?.to_owned())
    }

    /// A problem that the schema has words of its own for. About a map as a whole, it is shown at a key that it is about.
    fn custom(&self, error: &ValidationError<'_>, mut problem: SchemaProblem) -> SchemaProblem {
        (problem.hint, problem.rendered_hint) = type_hints(error);
        let Some(map) = error.instance().as_object() else {
            return problem;
        };
        let failing = self.holder(error).map(|holder| &holder[error.kind().keyword()]);
        let (mut needed, mut looked_at) = (Vec::new(), Vec::new());
        mentioned(failing.unwrap_or(&Value::Null), &mut needed, &mut looked_at);
        let child = |key: &str| format!("{}/{}", error.instance_path().as_str(), escape_key(key));
        problem.values = looked_at.into_iter().map(child).collect();
        let present = match problem.code {
            Code::ConflictingKeys => needed.into_iter().rfind(|key| map.contains_key(*key)),
            _ => dependent(error.schema_path().as_str()).filter(|key| map.contains_key(*key)),
        };
        if let Some(key) = present {
            problem.pointer = child(key);
            problem.at_key = true;
        }
        problem
    }

    /// The schema object whose keyword failed.
    fn holder(&self, error: &ValidationError<'_>) -> Option<&Value> {
        let path = error.schema_path().as_str();
        let mut end = path.len();
        // A path may go on below the keyword, as `/required/0` or `/dependentRequired/password` do.
        loop {
            end = path[..end].rfind('/')?;
            let holder = self.document.pointer(&path[..end])?;
            let keyword = path[end + 1..].split('/').next()?;
            let failed = error.kind().keyword();
            if holder.is_object() && (keyword == failed || (failed == "required" && keyword == "dependentRequired")) {
                return Some(holder);
            }
        }
    }

    fn known_keys(&self, error: &ValidationError<'_>) -> Vec<String> {
        let properties = self.holder(error).and_then(|holder| holder["properties"].as_object());
        properties.into_iter().flatten().map(|(key, _)| key.clone()).collect()
    }

    fn description(&self, error: &ValidationError<'_>, property: &str) -> Option<String> {
        Some(
            self.holder(error)?["properties"][property]["description"]
                .as_str()?
                .to_owned(),
        )
    }
}

/// What a message calls the value at a JSON pointer.
fn subject(pointer: &str) -> String {
    let is_item = |name: &str| name.parse::<usize>().is_ok();
    let last = pointer.rsplit('/').next().unwrap_or_default();
    // An item is called by the list it is in.
    match pointer.rsplit('/').find(|name| !is_item(name)) {
        None | Some("") => "this".to_owned(),
        Some(name) if is_item(last) => format!("an item of `{name}`"),
        Some(name) => format!("`{name}`"),
    }
}

/// A type of JSON Schema, for people.
fn in_words(kind: &str) -> &str {
    match kind {
        "null" => "empty",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "array" => "a list",
        "object" => "a map",
        other => other,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// What kind of problem one is that the schema has words of its own for.
fn custom_code(error: &ValidationError<'_>) -> Code {
    match error.kind() {
        ValidationErrorKind::Type { .. } => Code::WrongType,
        ValidationErrorKind::Not { .. } if error.instance().is_object() => Code::ConflictingKeys,
        _ if error.instance().is_object() => Code::MissingKey,
        ValidationErrorKind::MinLength { .. } | ValidationErrorKind::MaxLength { .. } => Code::OutOfRange,
        _ if error.instance().is_number() => Code::OutOfRange,
        _ => Code::InvalidValue,
    }
}

/// The keys that a schema needs, and those whose values it looks at, however deeply it says so.
fn mentioned<'s>(schema: &'s Value, needed: &mut Vec<&'s str>, looked_at: &mut Vec<&'s str>) {
    match schema {
        Value::Array(schemas) => schemas.iter().for_each(|schema| mentioned(schema, needed, looked_at)),
        Value::Object(keywords) => {
            for (keyword, value) in keywords {
                match (keyword.as_str(), value) {
                    ("required", Value::Array(keys)) => needed.extend(keys.iter().filter_map(Value::as_str)),
                    ("properties", Value::Object(keys)) => looked_at.extend(keys.keys().map(String::as_str)),
                    (_, inner) => mentioned(inner, needed, looked_at),
                }
            }
        }
        _ => {}
    }
}

/// The key that needs another one, from a path that ends `/dependentRequired/KEY/0` or so.
fn dependent(path: &str) -> Option<&str> {
    path.rsplit_once("/dependentRequired/")?.1.split('/').next()
}

/// How a template makes a boolean.
const BOOLEAN: &str = "`{{ … == 'true' }}` is true or false";

/// The branch of alternatives that fails deepest, which is the one that was meant.
fn meant_branch<'c>(context: &'c [Vec<ValidationError<'static>>]) -> Option<&'c Vec<ValidationError<'static>>> {
    let depth = |error: &ValidationError<'static>| error.instance_path().as_str().len();
    let deepest = |errors: &Vec<ValidationError<'static>>| errors.iter().map(depth).max().unwrap_or_default();
    context
        .iter()
        .max_by_key(|errors| (deepest(errors), std::cmp::Reverse(errors.len())))
}

fn wrong_type(name: &str, kind: &TypeKind, found: &Value) -> String {
    let expected: Vec<String> = match kind {
        TypeKind::Single(kind) => vec![kind.to_string()],
        TypeKind::Multiple(kinds) => kinds.iter().map(|kind| kind.to_string()).collect(),
    };
    let words: Vec<&str> = expected.iter().map(|kind| in_words(kind)).collect();
    format!("{name} must be {}, and is {}", words.join(" or "), kind_of(found))
}

/// What is said of a value that is too small, too large, too short or too long.
fn out_of_range(name: &str, kind: &ValidationErrorKind) -> Option<String> {
    Some(match kind {
        ValidationErrorKind::Minimum { limit } => format!("{name} must be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("{name} must be at most {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("{name} must be more than {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("{name} must be less than {limit}"),
        ValidationErrorKind::MinItems { limit: 1 } | ValidationErrorKind::MinLength { limit: 1 } => {
            format!("{name} must not be empty")
        }
        ValidationErrorKind::MinItems { limit } => format!("{name} must have at least {limit} items"),
        ValidationErrorKind::MaxItems { limit } => format!("{name} must have at most {limit} items"),
        ValidationErrorKind::MinLength { limit } => format!("{name} must have at least {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("{name} must have at most {limit} characters"),
        _ => return None,
    })
}

fn invalid_value(name: &str, error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Constant { expected_value } => format!("{name} must be {expected_value}"),
        ValidationErrorKind::Custom { keyword, message } if keyword == "pattern" => {
            format!("{name} must match the pattern {message}")
        }
        _ => format!("{name}: {}", error.masked()),
    }
}

/// What to do about a value of the wrong type: as a literal, and where a template gave it.
fn type_hints(error: &ValidationError<'_>) -> (Option<String>, Option<&'static str>) {
    let ValidationErrorKind::Type { kind } = error.kind() else {
        return (None, None);
    };
    let wants = |wanted: &str| match kind {
        TypeKind::Single(kind) => kind.to_string() == wanted,
        TypeKind::Multiple(kinds) => kinds.iter().any(|kind| kind.to_string() == wanted),
    };
    let (literal, rendered) = match error.instance().as_ref() {
        Value::String(text) if wants("boolean") && is_old_boolean(text) => (
            "write `true` or `false`; `yes`, `no`, `on` and `off` are texts",
            Some(BOOLEAN),
        ),
        Value::String(_) if wants("boolean") => ("write `true` or `false`, without quotes", Some(BOOLEAN)),
        Value::String(_) if wants("integer") || wants("number") => {
            ("leave the quotes out", Some("`{{ … | int }}` is a number"))
        }
        Value::Number(_) | Value::Bool(_) if wants("string") => {
            ("put it in quotes", Some("`{{ … | string }}` is a text"))
        }
        Value::Null => ("write a value, or leave the key out", None),
        Value::String(_) | Value::Number(_) if wants("array") => ("write `[…]`, even for a single one", None),
        _ => return (None, None),
    };
    (Some(literal.to_owned()), rendered)
}

/// A word that older YAML reads as true or false.
fn is_old_boolean(text: &str) -> bool {
    ["yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str())
}
