//! What looking at a server found.

use std::borrow::Cow;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub subject: Cow<'static, str>,
    /// What was found.
    pub text: String,
    /// Whether it is as it should be.
    pub ok: bool,
}

impl Finding {
    /// A finding.
    pub fn new(subject: impl Into<Cow<'static, str>>, text: impl Into<String>, ok: bool) -> Self {
        Self {
            subject: subject.into(),
            text: text.into(),
            ok,
        }
    }
}
