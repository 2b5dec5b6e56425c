//! What looking at a server found.

use crate::sandbox::bindings::playbook::plugin::types;
use crate::sandbox::described::{remarks, words};
use crate::secrets::Redactor;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// What was found.
    pub text: String,
    /// Whether it is as it should be.
    pub ok: bool,
}

impl Finding {
    /// What a plugin found, without secrets.
    pub(crate) fn read(found: Vec<types::Finding>, redactor: &Redactor) -> Vec<Self> {
        let read = |finding: types::Finding| Self {
            subject: words(&finding.subject, redactor),
            text: words(&finding.text, redactor),
            ok: finding.ok,
        };
        remarks(found).into_iter().map(read).collect()
    }
}
