//! JSON Schemas: reading them, and validating with them.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;

use crate::text::diagnostic::{Code, cut};

mod bounds;
mod pattern;
mod place;
mod problem;
mod role;

use self::pattern::{Pattern, TooLong};
pub(crate) use self::place::place;
pub use self::problem::SchemaProblem;
pub(crate) use self::role::Provenance;
pub use self::role::{PLUGIN_SCHEMA, Role};

/// The largest program that a pattern for keys may become, in bytes.
const LARGEST_FOR_KEYS: usize = 1 << 15;

/// How much there may be to look at in a value of which everything that is wrong is listed.
const EXPLAINED: usize = 50_000;

/// The most problems of a value that are listed.
pub(super) const MOST_PROBLEMS: usize = 200;

/// A compiled JSON Schema (2020-12). References leave the document never: neither files nor the network are read.
#[derive(Debug, Clone)]
pub struct Schema {
    document: Arc<Value>,
    /// How much work it is for each value that it looks at.
    effort: usize,
    /// Made when it is first needed, if not before: patterns take a while.
    validator: Arc<OnceLock<Result<Validator, String>>>,
}

/// How the schemas of a plugin are read: compiled at once, or when they are needed.
pub(crate) type SchemaReader = fn(Value) -> Result<Schema, String>;

impl Schema {
    /// Compiles a schema. One that would be too much work to validate with is refused: plugins bring schemas.
    pub fn compile(document: Value) -> Result<Self, String> {
        let schema = Self::to_be_compiled(document)?;
        // With all its patterns: one that cannot be used is found now.
        let validator = schema.build(true)?;
        Ok(Self {
            validator: Arc::new(OnceLock::from(Ok(validator))),
            ..schema
        })
    }

    /// A schema that is compiled when it is first needed: one that was compiled before, in an earlier process.
    pub(crate) fn to_be_compiled(document: Value) -> Result<Self, String> {
        Ok(Self {
            effort: bounds::check(&document)?,
            document: Arc::new(document),
            validator: Arc::default(),
        })
    }

    /// Compiles it now, if that was not done. Whoever needs it says what is wrong with it.
    pub(crate) fn compile_now(&self) {
        let _ = self.validator();
    }

    fn validator(&self) -> Result<&Validator, String> {
        let validator = self.validator.get_or_init(|| self.build(false));
        validator.as_ref().map_err(Clone::clone)
    }

    fn build(&self, with_patterns: bool) -> Result<Validator, String> {
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            // This engine never backtracks.
            .with_pattern_options(PatternOptions::regex().size_limit(LARGEST_FOR_KEYS))
            .with_keyword("pattern", move |_, written, _| {
                let pattern = Pattern::new(written.as_str().unwrap_or_default());
                if with_patterns {
                    pattern.compile().map_err(ValidationError::custom)?;
                }
                Ok(Box::new(pattern))
            });
        options
            .build(&self.document)
            .map_err(|error| error.masked().to_string())
    }

    /// The schema itself.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Whether a top-level param is meant for the server alone, as a password is: `writeOnly`.
    pub fn is_write_only(&self, param: &str) -> bool {
        self.document["properties"][param]["writeOnly"] == true
    }

    /// The value that a top-level param has when none is given, if the schema says so.
    pub fn default_of(&self, param: &str) -> Option<&Value> {
        self.document["properties"][param].get("default")
    }

    /// How much work it is for each value that it looks at.
    pub(crate) fn effort(&self) -> usize {
        self.effort
    }

    /// What is wrong with a value: everything, unless that is too much to be read, or the value too large.
    pub fn validate(&self, value: &Value) -> Vec<SchemaProblem> {
        let whole = |message: String| vec![SchemaProblem::new(String::new(), Code::InvalidValue, message)];
        let validator = match self.validator() {
            Ok(validator) => validator,
            // It was in order for the program that kept it, which may have been another version of this one.
            Err(error) => return whole(format!("the plugin's schema cannot be used: {}", cut(&error))),
        };
        let size = bounds::size(value);
        if bounds::is_too_much(self.effort, size) {
            return whole("this is too large to be checked with a schema like this one".to_owned());
        }
        let found = pattern::timed(|| {
            // Results can be large, and are nearly always in order: whether they are is found faster than what is wrong.
            if validator.is_valid(value) {
                Vec::new()
            } else if size <= EXPLAINED {
                self.problems(validator, value)
            } else if self.collects() {
                whole("this does not fit its schema, and is too large to say where".to_owned())
            } else {
                let first = validator.validate(value).err();
                first.map(|error| self.explain(&error)).unwrap_or_default()
            }
        });
        found.unwrap_or_else(|TooLong| whole("matching the patterns of the schema takes too long".to_owned()))
    }

    /// Whether a failure brings with it all that is wrong with each of several forms.
    fn collects(&self) -> bool {
        fn any(schema: &Value) -> bool {
            match schema {
                Value::Array(items) => items.iter().any(any),
                Value::Object(map) => map.iter().any(|(key, value)| {
                    matches!(key.as_str(), "anyOf" | "oneOf" | "contains" | "propertyNames") || any(value)
                }),
                _ => false,
            }
        }
        any(&self.document)
    }

    fn problems(&self, validator: &Validator, value: &Value) -> Vec<SchemaProblem> {
        let mut seen = HashSet::new();
        let errors = validator.iter_errors(value);
        let mut problems: Vec<SchemaProblem> = errors
            .flat_map(|error| self.explain(&error))
            .filter(|problem| seen.insert(problem.clone()))
            .take(MOST_PROBLEMS)
            .collect();
        // A misspelt key is one mistake, not two; and what a merge key would have brought is not missing.
        let misspelt: Vec<(String, String)> = problems
            .iter()
            .filter_map(|problem| Some((around(problem).to_owned(), problem.meant.clone()?)))
            .collect();
        problems.retain(|problem| {
            let missing = problem.missing.as_ref();
            let merged = problem.code == Code::MissingKey && merges(value, &problem.pointer);
            !merged
                && !problem.pointer.ends_with("/<<")
                && !missing.is_some_and(|missing| misspelt.contains(&(problem.pointer.clone(), missing.clone())))
        });
        problems
    }
}

/// The map that holds the key a problem is about.
fn around(problem: &SchemaProblem) -> &str {
    problem.pointer.rsplit_once('/').map_or("", |(map, _)| map)
}

/// Whether the map at a JSON pointer has a merge key.
fn merges(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).is_some_and(|map| map.get("<<").is_some())
}

#[cfg(test)]
mod tests;
