//! Renders a template's statement with checked values.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::data::{Param, ParamKind, Piece, Template};
use super::error::TemplateError;
use super::path::AbsolutePath;
use super::time;

/// A statement that a template rendered. There is no other way to make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sql(String);

impl Sql {
    /// Returns the statement's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Template {
    /// Renders the statement with these parameters. Durations count back from `now`.
    #[expect(
        clippy::missing_panics_doc,
        reason = "the one expect states an invariant of the build"
    )]
    pub fn render(&'static self, params: &Map<String, Value>, now: Timestamp) -> Result<Sql, TemplateError> {
        let known = |name: &&String| self.params.iter().any(|param| param.name == **name);
        if let Some(unknown) = params.keys().find(|name| !known(name)) {
            let names = self.params.iter().map(Param::name).collect();
            return Err(TemplateError::unknown_param(&self.name, unknown, names));
        }
        let values = self
            .params
            .iter()
            .map(|param| {
                Ok((
                    param.name(),
                    Slot { template: self, param }.argument(params.get(&param.name), now)?,
                ))
            })
            .collect::<Result<Vec<_>, TemplateError>>()?;
        let value = |wanted: &str| {
            let found = values.iter().find(|(name, _)| *name == wanted);
            &found
                .expect("the build script checked that every placeholder is a param")
                .1
        };
        // One pass over the template: the content of a value is never examined again.
        let mut sql = String::with_capacity(self.sql.len() + 64);
        for piece in self.pieces() {
            match piece {
                Piece::Text(text) => sql.push_str(text),
                Piece::Value(name) => sql.push_str(&value(name).text),
                Piece::Below(name) => {
                    sql.push_str(&value(name).text);
                    sql.extend(value(name).joint);
                }
            }
        }
        Ok(Sql(sql))
    }
}

/// A checked value, as the statement holds it.
struct Argument {
    text: String,
    /// The separator to add where the statement means everything below a path.
    joint: Option<char>,
}

/// A parameter of a template, about to be given its value.
#[derive(Clone, Copy)]
struct Slot {
    template: &'static Template,
    param: &'static Param,
}

impl Slot {
    /// Checks the given value, or the default if none is given.
    fn argument(self, given: Option<&Value>, now: Timestamp) -> Result<Argument, TemplateError> {
        let default;
        let value = if let Some(value) = given {
            value
        } else {
            default = self.param.default();
            default.as_ref().ok_or_else(|| self.missing())?
        };
        match &self.param.kind {
            ParamKind::Integer { min, max, .. } => self.integer(value, *min, *max),
            ParamKind::Time { .. } => {
                let text = value.as_str().ok_or_else(|| self.wrong_type(value))?;
                let seconds = time::parse(text, now).map_err(|reason| self.refused(reason))?;
                Ok(Argument {
                    text: seconds.to_string(),
                    joint: None,
                })
            }
            ParamKind::Path { .. } => {
                let text = value.as_str().ok_or_else(|| self.wrong_type(value))?;
                let path = AbsolutePath::parse(text).map_err(|reason| self.refused(reason))?;
                Ok(Argument {
                    text: path.as_str().to_owned(),
                    joint: path.joint(),
                })
            }
        }
    }

    fn integer(self, value: &Value, min: i64, max: i64) -> Result<Argument, TemplateError> {
        let number = match value {
            // Beyond i64 there are only floats and numbers out of any range of ours.
            Value::Number(number) if number.is_f64() => return Err(self.wrong_type(value)),
            Value::Number(number) => number.as_i64(),
            Value::String(text) => whole(text).ok_or_else(|| self.refused("is not a whole number"))?,
            _ => return Err(self.wrong_type(value)),
        };
        let number = number.filter(|number| (min..=max).contains(number));
        Ok(Argument {
            text: number.ok_or_else(|| self.out_of_range())?.to_string(),
            joint: None,
        })
    }

    fn missing(self) -> TemplateError {
        TemplateError::Missing {
            template: self.template.name(),
            param: self.param.name(),
            accepts: self.param.accepts(),
        }
    }

    fn wrong_type(self, value: &Value) -> TemplateError {
        TemplateError::WrongType {
            template: self.template.name(),
            param: self.param.name(),
            found: type_of(value),
            accepts: self.param.accepts(),
        }
    }

    fn out_of_range(self) -> TemplateError {
        TemplateError::OutOfRange {
            template: self.template.name(),
            param: self.param.name(),
            accepts: self.param.accepts(),
        }
    }

    fn refused(self, reason: &'static str) -> TemplateError {
        TemplateError::Refused {
            template: self.template.name(),
            param: self.param.name(),
            reason,
            accepts: self.param.accepts(),
        }
    }
}

/// Parses a whole number written as text, which templated YAML often gives: none if it is not one, and `Some(None)` if
/// it is too large.
#[allow(clippy::option_option)]
fn whole(text: &str) -> Option<Option<i64>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical =
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && (!digits.starts_with('0') || text == "0");
    canonical.then(|| text.parse().ok())
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number with a fraction or an exponent",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
