//! The allowlist: the statements this plugin can send, and the only way to make one.
//!
//! Templates are data (`templates/*.toml`), each with typed parameters. A value that is not exactly what its parameter
//! stands for is refused, never escaped, so that a rendered statement always has the shape of its template.

use std::{fmt, sync::OnceLock};

use jiff::Timestamp;
use serde_json::{Map, Value};

mod data;
mod error;
mod path;
mod time;

pub use data::{Kind, Param, Template};
pub use error::TemplateError;

use data::Piece;
use path::AbsolutePath;

// `ENTRIES`: one for each template.
include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// A template that is read when it is first asked for: a plugin's call needs one of them, and begins anew each time.
struct Entry {
    name: &'static str,
    json: &'static str,
    template: OnceLock<Template>,
}

impl Entry {
    const fn new(name: &'static str, json: &'static str) -> Self {
        Self {
            name,
            json,
            template: OnceLock::new(),
        }
    }

    fn template(&self) -> &Template {
        self.template.get_or_init(|| {
            serde_json::from_str(self.json).expect("the build script wrote this text from the same types")
        })
    }
}

/// A statement that a template rendered. There is no other way to make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sql(String);

impl Sql {
    /// The statement's text.
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
    /// All templates, by name.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        ENTRIES.iter().map(Entry::template)
    }

    /// The template with this name.
    pub fn named(name: &str) -> Result<&'static Template, TemplateError> {
        let found = ENTRIES.iter().find(|entry| entry.name == name);
        found.map(Entry::template).ok_or_else(|| {
            let known = ENTRIES.iter().map(|entry| entry.name).collect();
            TemplateError::unknown_template(name, known)
        })
    }

    /// The name that playbooks use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One line: what the template is for.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// The statement, with `{param}` where parameters go. `{param/}` is a path with a separator at its end.
    pub fn text(&self) -> &str {
        &self.sql
    }

    /// Where the template works: some of `darwin`, `linux` and `windows`.
    pub fn platforms(&self) -> &[String] {
        &self.platforms
    }

    /// The columns of a result row, in the order of the statement.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The parameters, in the order of the template's file.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// The statement that the template gives with these parameters. Durations count back from `now`.
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
            .map(|param| Ok((param.name(), self.argument(param, params.get(&param.name), now)?)))
            .collect::<Result<Vec<_>, TemplateError>>()?;
        let value = |wanted: &str| {
            let found = values.iter().find(|(name, _)| *name == wanted);
            &found
                .expect("the build script checked that every placeholder is a param")
                .1
        };
        // One pass over the template: what a value holds is never looked at again.
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

    /// What goes into the statement for one parameter.
    fn argument(
        &'static self,
        param: &'static Param,
        given: Option<&Value>,
        now: Timestamp,
    ) -> Result<Argument, TemplateError> {
        let (template, name) = (self.name(), param.name());
        let accepts = || param.accepts();
        let default;
        let value = if let Some(value) = given {
            value
        } else {
            default = param.default();
            default.as_ref().ok_or_else(|| TemplateError::Missing {
                template,
                param: name,
                accepts: accepts(),
            })?
        };
        let wrong_type = || TemplateError::WrongType {
            template,
            param: name,
            found: type_of(value),
            accepts: accepts(),
        };
        let refused = |reason| TemplateError::Refused {
            template,
            param: name,
            reason,
            accepts: accepts(),
        };
        match &param.kind {
            Kind::Integer { min, max, .. } => {
                let out_of_range = || TemplateError::OutOfRange {
                    template,
                    param: name,
                    accepts: accepts(),
                };
                let number = match value {
                    // Beyond i64 there are only floats and numbers out of any range of ours.
                    Value::Number(number) if number.is_f64() => return Err(wrong_type()),
                    Value::Number(number) => number.as_i64().ok_or_else(out_of_range)?,
                    Value::String(text) => whole(text)
                        .ok_or_else(|| refused("is not a whole number"))?
                        .ok_or_else(out_of_range)?,
                    _ => return Err(wrong_type()),
                };
                if !(*min..=*max).contains(&number) {
                    return Err(out_of_range());
                }
                Ok(Argument {
                    text: number.to_string(),
                    joint: None,
                })
            }
            Kind::Time { .. } => {
                let text = value.as_str().ok_or_else(wrong_type)?;
                let seconds = time::parse(text, now).map_err(refused)?;
                Ok(Argument {
                    text: seconds.to_string(),
                    joint: None,
                })
            }
            Kind::Path { .. } => {
                let text = value.as_str().ok_or_else(wrong_type)?;
                let path = AbsolutePath::parse(text).map_err(refused)?;
                Ok(Argument {
                    text: path.as_str().to_owned(),
                    joint: path.joint(),
                })
            }
        }
    }
}

impl Param {
    /// The name that playbooks use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One line: what the parameter is for.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// What values it takes.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// What it accepts, in words, for example `an integer from 1 to 1000`.
    pub fn accepts(&self) -> String {
        match &self.kind {
            Kind::Integer { min, max, .. } => format!("an integer from {min} to {max}"),
            Kind::Time { .. } => time::ACCEPTS.to_owned(),
            Kind::Path { .. } => path::ACCEPTS.to_owned(),
        }
    }

    /// The value used when none is given; none for a required parameter.
    pub fn default(&self) -> Option<Value> {
        match &self.kind {
            Kind::Integer { default, .. } => default.map(Value::from),
            Kind::Time { default } | Kind::Path { default } => default.clone().map(Value::from),
        }
    }
}

/// A checked value, as it stands in the statement.
struct Argument {
    text: String,
    /// The separator to add where everything below a path is meant.
    joint: Option<char>,
}

/// A whole number written as text (templated YAML often gives that): none if it is not one, nothing in it if it is too large.
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
