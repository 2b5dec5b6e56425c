//! The findings of a check.

use std::borrow::Cow;

/// The result of examining one aspect of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The aspect that was examined.
    pub subject: Cow<'static, str>,
    /// The observation.
    pub text: String,
    /// True if it is as it should be.
    pub ok: bool,
}

impl Finding {
    /// Creates a finding.
    pub fn new(subject: impl Into<Cow<'static, str>>, text: impl Into<String>, ok: bool) -> Self {
        Self {
            subject: subject.into(),
            text: text.into(),
            ok,
        }
    }
}
