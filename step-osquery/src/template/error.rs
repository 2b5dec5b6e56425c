//! Errors of templates and of values for them.

use thiserror::Error;

/// An error while rendering a template. The text describes what is accepted and never repeats a refused value, which
/// may come from an alert.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// The allowlist has no such template.
    #[error("there is no template {name}{}; the templates are {}", did_you_mean(*.closest), .known.join(", "))]
    UnknownTemplate {
        /// The name that was given, shortened and escaped for printing.
        name: String,
        /// The template with the most similar name, if any is similar.
        closest: Option<&'static str>,
        /// All templates.
        known: Vec<&'static str>,
    },
    /// The template has no such parameter.
    #[error("template {template} has no param {name}{}; its params are {}", did_you_mean(*.closest), .known.join(", "))]
    UnknownParam {
        /// The template.
        template: &'static str,
        /// The parameter that was given, shortened and escaped for printing.
        name: String,
        /// The parameter with the most similar name, if one is similar.
        closest: Option<&'static str>,
        /// All parameters of the template.
        known: Vec<&'static str>,
    },
    /// A required parameter was not given.
    #[error("template {template} needs the param {param}: {accepts}")]
    Missing {
        /// The template.
        template: &'static str,
        /// The parameter.
        param: &'static str,
        /// A description of the accepted values.
        accepts: String,
    },
    /// A value has the wrong type.
    #[error("param {param} of template {template} is {found}, but must be: {accepts}")]
    WrongType {
        /// The template.
        template: &'static str,
        /// The parameter.
        param: &'static str,
        /// The kind of value that was given, for example `a boolean`.
        found: &'static str,
        /// A description of the accepted values.
        accepts: String,
    },
    /// A number is too small or too large.
    #[error("param {param} of template {template} is out of range, it must be: {accepts}")]
    OutOfRange {
        /// The template.
        template: &'static str,
        /// The parameter.
        param: &'static str,
        /// A description of the accepted values.
        accepts: String,
    },
    /// A text is not of the parameter's kind, or is not safe in a statement.
    #[error("param {param} of template {template} {reason}; it must be: {accepts}")]
    Refused {
        /// The template.
        template: &'static str,
        /// The parameter.
        param: &'static str,
        /// The problem with the value, for example `has a quote in it`.
        reason: &'static str,
        /// A description of the accepted values.
        accepts: String,
    },
}

fn did_you_mean(closest: Option<&str>) -> String {
    closest.map_or_else(String::new, |name| format!(" (did you mean {name}?)"))
}

impl TemplateError {
    pub(super) fn unknown_template(name: &str, known: Vec<&'static str>) -> Self {
        Self::UnknownTemplate {
            name: printable(name),
            closest: closest(name, &known),
            known,
        }
    }

    pub(super) fn unknown_param(template: &'static str, name: &str, known: Vec<&'static str>) -> Self {
        Self::UnknownParam {
            template,
            name: printable(name),
            closest: closest(name, &known),
            known,
        }
    }
}

/// Returns an untrusted name so that it fits on one line of a terminal.
fn printable(name: &str) -> String {
    let mut text: String = name.escape_debug().take(64).collect();
    if text.len() < name.len() {
        text.push('…');
    }
    format!("`{text}`")
}

fn closest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    // A longer text is not a misspelling of one of ours, and comparing is quadratic.
    if name.len() > 64 {
        return None;
    }
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), candidate), *candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
