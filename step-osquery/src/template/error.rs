//! Why a template, or a value for one, is not accepted.

use thiserror::Error;

/// Why a template could not be rendered. The text says what would be accepted; it never repeats a refused text, which may
/// come from an alert.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// The allowlist has no such template.
    #[error("there is no template {name}{}; the templates are {}", did_you_mean(*.closest), .known.join(", "))]
    UnknownTemplate {
        /// What was asked for, shortened and escaped for printing.
        name: String,
        /// The template with the most similar name, if one is similar.
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
        /// What it accepts, in words.
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
        /// What the parameter accepts, in words.
        accepts: String,
    },
    /// A number is too small or too large.
    #[error("param {param} of template {template} is out of range, it must be: {accepts}")]
    OutOfRange {
        /// The template.
        template: &'static str,
        /// The parameter.
        param: &'static str,
        /// What it accepts, in words.
        accepts: String,
    },
    /// A text is not what the parameter stands for, or is not safe to put into a statement.
    #[error("param {param} of template {template} {reason}; it must be: {accepts}")]
    Refused {
        /// The template.
        template: &'static str,
        /// The parameter.
        param: &'static str,
        /// What is wrong with the value, for example `has a quote in it`.
        reason: &'static str,
        /// What the parameter accepts, in words.
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

/// A name that nobody vetted, fit for one line of a terminal.
fn printable(name: &str) -> String {
    let mut text: String = name.escape_debug().take(64).collect();
    if text.len() < name.len() {
        text.push('…');
    }
    format!("`{text}`")
}

fn closest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    // Longer texts are no misspelling of ours, and comparing them is quadratic.
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
