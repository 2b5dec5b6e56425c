//! The alert that a run is about.

use std::sync::Arc;

use serde_json::Value;

use crate::text::diagnostic::{Code, Diagnostic, Diagnostics, Place};
use crate::text::document::{self, Unique};
use crate::text::source::Source;

/// Reads an alert: a JSON object, which templates see as `{{ alert.… }}`.
pub fn parse_alert(source: Source) -> Result<Value, Diagnostics> {
    source.check_size().map_err(Diagnostics::from)?;
    let source = Arc::new(source);
    if source.text().trim().is_empty() {
        let problem = Diagnostic::error(Code::EmptyFile, "the alert is empty");
        let problem = problem.at(Place::bytes(source, 0..0));
        return Err(problem.hint("an alert is a JSON object; `{}` has nothing in it").into());
    }
    let Unique(alert) = document::parse_json(&source)?;
    if alert.is_object() {
        return Ok(alert);
    }
    let start = source.text().len() - source.text().trim_start().len();
    let problem = Diagnostic::error(Code::WrongType, "an alert must be a JSON object")
        .at(Place::bytes(source.clone(), start..source.text().trim_end().len()))
        .hint("for example `{\"host\": \"web-01\"}`");
    Err(problem.into())
}
