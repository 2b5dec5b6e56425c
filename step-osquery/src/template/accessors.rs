//! The public view of templates and their params.

use serde_json::Value;

use super::data::{Param, ParamKind, Template};
use super::{path, time};

impl Template {
    /// Returns the name that playbooks use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the purpose of the template, in one line.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Returns the statement, with `{param}` where parameters go. `{param/}` is a path with a separator at its end.
    pub fn text(&self) -> &str {
        &self.sql
    }

    /// Returns the platforms that the template works on: some of `darwin`, `linux` and `windows`.
    pub fn platforms(&self) -> &[String] {
        &self.platforms
    }

    /// Returns the columns of a result row, in the order of the statement.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns the parameters, in the order of the template's file.
    pub fn params(&self) -> &[Param] {
        &self.params
    }
}

impl Param {
    /// Returns the name that playbooks use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the purpose of the parameter, in one line.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Returns the kind of values it takes.
    pub fn kind(&self) -> &ParamKind {
        &self.kind
    }

    /// Describes the accepted values, for example `an integer from 1 to 1000`.
    pub fn accepts(&self) -> String {
        match &self.kind {
            ParamKind::Integer { min, max, .. } => format!("an integer from {min} to {max}"),
            ParamKind::Time { .. } => time::ACCEPTS.to_owned(),
            ParamKind::Path { .. } => path::ACCEPTS.to_owned(),
        }
    }

    /// Returns the value used when none is given, or none for a required parameter.
    pub fn default(&self) -> Option<Value> {
        match &self.kind {
            ParamKind::Integer { default, .. } => default.map(Value::from),
            ParamKind::Time { default } | ParamKind::Path { default } => default.clone().map(Value::from),
        }
    }
}
