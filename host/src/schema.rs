//! JSON Schemas, and their complaints in words a playbook author can use.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, ValidationError, Validator};
use serde_json::Value;

use crate::diagnostic::suggestion;
use crate::source::escape_key;

/// A compiled JSON Schema (2020-12). References leave the document never: neither files nor the network are read.
#[derive(Debug)]
pub struct Schema {
    document: Value,
    validator: Validator,
}

/// What a value does wrong. The message never shows the value, which may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaProblem {
    /// A JSON pointer to the value.
    pub pointer: String,
    /// Whether the key is meant rather than the value.
    pub at_key: bool,
    /// A stable word for this kind of problem.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// The part that a top-level param plays for the host, from `x-role` in a params schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A URL whose origin the step may reach.
    Origin,
    /// The step's time limit, in seconds.
    TimeoutSeconds,
    /// How long from one poll to the next, in seconds.
    IntervalSeconds,
    /// Whether the server's certificate is checked.
    VerifyTls,
    /// A file of certificate authorities, in PEM.
    CaFile,
    /// The name to log in with.
    Username,
    /// The template of the step type's allowlist that is sent.
    Template,
    /// The values for the template's params.
    TemplateParams,
    /// Whom the step is about.
    Targets,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::TimeoutSeconds => "timeout-seconds",
            Self::IntervalSeconds => "interval-seconds",
            Self::VerifyTls => "verify-tls",
            Self::CaFile => "ca-file",
            Self::Username => "username",
            Self::Template => "template",
            Self::TemplateParams => "template-params",
            Self::Targets => "targets",
        }
    }
}

impl Schema {
    /// Compiles a schema.
    pub fn compile(document: Value) -> Result<Self, String> {
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .build(&document)
            .map_err(|error| error.masked().to_string())?;
        Ok(Self { document, validator })
    }

    /// The schema itself.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The top-level param that plays a role, if any does.
    pub fn role(&self, role: Role) -> Option<&str> {
        let mut properties = self.document.get("properties")?.as_object()?.iter();
        let (name, _) = properties.find(|(_, schema)| schema["x-role"] == role.word())?;
        Some(name)
    }

    /// Whether a top-level param is meant for the server alone, as a password is: `writeOnly`.
    pub fn is_write_only(&self, param: &str) -> bool {
        self.document["properties"][param]["writeOnly"] == true
    }

    /// The value that a top-level param has when none is given, if the schema says so.
    pub fn default_of(&self, param: &str) -> Option<&Value> {
        self.document["properties"][param].get("default")
    }

    /// Whether a top-level param may depend on alert data and earlier results.
    pub fn accepts_untrusted(&self, param: &str) -> bool {
        self.document["properties"][param]["x-provenance"] == "any"
    }

    /// Everything that is wrong with a value.
    pub fn validate(&self, value: &Value) -> Vec<SchemaProblem> {
        let mut problems: Vec<SchemaProblem> = Vec::new();
        for error in self.validator.iter_errors(value) {
            for problem in self.explain(&error) {
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        problems
    }

    fn explain(&self, error: &ValidationError<'_>) -> Vec<SchemaProblem> {
        let pointer = error.instance_path().as_str().to_owned();
        let problem = |code, message: String| SchemaProblem {
            pointer: pointer.clone(),
            at_key: false,
            code,
            message,
            hint: None,
        };
        let is_item = |name: &&str| name.parse::<usize>().is_ok();
        // An item is called by the list it is in.
        let name = pointer
            .rsplit('/')
            .find(|name| !is_item(name))
            .filter(|name| !name.is_empty())
            .unwrap_or("this")
            .to_owned();
        if let Some(message) = self.custom_message(error) {
            // A message that has no subject is about the value.
            let message = if message.starts_with("must ") {
                format!("`{name}` {message}")
            } else {
                message
            };
            return vec![problem("invalid-value", message)];
        }
        let limits = |what: &str, limit: &Value| problem("out-of-range", format!("`{name}` must be {what} {limit}"));
        vec![match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let known = self.known_keys(error);
                return unexpected
                    .iter()
                    .map(|key| SchemaProblem {
                        pointer: format!("{pointer}/{}", escape_key(key)),
                        at_key: true,
                        code: "unknown-key",
                        message: format!("unknown key `{key}`"),
                        hint: suggestion(key, known.iter().map(String::as_str)),
                    })
                    .collect();
            }
            ValidationErrorKind::Required { property } => {
                let property = property.as_str().unwrap_or_default();
                let mut missing = problem("missing-key", format!("`{property}` is missing"));
                missing.at_key = true;
                missing.hint = self.description(error, property);
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
                    "invalid-value",
                    format!("`{name}` must be one of: {}", options.join(", ")),
                );
                unknown.hint = crate::diagnostic::nearest(found, options).map(|near| format!("did you mean `{near}`?"));
                unknown
            }
            ValidationErrorKind::Constant { expected_value } => {
                problem("invalid-value", format!("`{name}` must be {expected_value}"))
            }
            ValidationErrorKind::Type { kind } => {
                let expected = match kind {
                    TypeKind::Single(kind) => kind.to_string(),
                    TypeKind::Multiple(kinds) => kinds
                        .iter()
                        .map(|kind| kind.to_string())
                        .collect::<Vec<_>>()
                        .join(" or "),
                };
                problem(
                    "wrong-type",
                    format!(
                        "`{name}` must be of type {expected}, and is {}",
                        kind_of(error.instance())
                    ),
                )
            }
            ValidationErrorKind::Minimum { limit } => limits("at least", limit),
            ValidationErrorKind::Maximum { limit } => limits("at most", limit),
            ValidationErrorKind::ExclusiveMinimum { limit } => limits("more than", limit),
            ValidationErrorKind::ExclusiveMaximum { limit } => limits("less than", limit),
            ValidationErrorKind::MinItems { limit: 1 } | ValidationErrorKind::MinLength { limit: 1 } => {
                problem("out-of-range", format!("`{name}` must not be empty"))
            }
            ValidationErrorKind::MinItems { limit } => {
                problem("out-of-range", format!("`{name}` must have at least {limit} items"))
            }
            ValidationErrorKind::MaxItems { limit } => {
                problem("out-of-range", format!("`{name}` must have at most {limit} items"))
            }
            ValidationErrorKind::MinLength { limit } => problem(
                "out-of-range",
                format!("`{name}` must have at least {limit} characters"),
            ),
            ValidationErrorKind::MaxLength { limit } => {
                problem("out-of-range", format!("`{name}` must have at most {limit} characters"))
            }
            ValidationErrorKind::Pattern { pattern } => {
                problem("invalid-value", format!("`{name}` must match the pattern {pattern}"))
            }
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                // The branch that fails deepest is the one that was meant.
                let deepest = |errors: &Vec<ValidationError<'static>>| {
                    errors
                        .iter()
                        .map(|error| error.instance_path().as_str().len())
                        .max()
                        .unwrap_or_default()
                };
                match context
                    .iter()
                    .max_by_key(|errors| (deepest(errors), std::cmp::Reverse(errors.len())))
                {
                    Some(branch) => return branch.iter().flat_map(|error| self.explain(error)).collect(),
                    None => problem("invalid-value", format!("`{name}` fits none of the accepted forms")),
                }
            }
            _ => problem("invalid-value", format!("`{name}`: {}", error.masked())),
        }]
    }

    /// `x-message` of the schema that holds the failing keyword.
    fn custom_message(&self, error: &ValidationError<'_>) -> Option<String> {
        let holder = self.holder(error)?;
        Some(holder.get("x-message")?.as_str()?.to_owned())
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
            if holder.is_object() && keyword == error.kind().keyword() {
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

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
