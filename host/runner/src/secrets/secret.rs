//! One secret, and where it comes from.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

/// The longest part of a name that is shown, in bytes.
const LONGEST_LABEL: usize = 64;

/// A value that is not to be shown.
pub(super) struct Secret {
    pub(super) subject: Subject,
    value: SecretString,
}

/// Where a secret comes from. Playbooks can name the first kind only: the kinds share no names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// `{{ secrets.NAME }}`.
    Named(String),
    /// A token that a server gave to a call, by where it stood in the answer.
    Captured(String),
    /// A text that an author wrote into a param that is meant for the server alone.
    Written(String),
}

impl Secret {
    pub(super) fn new(subject: Subject, value: SecretString) -> Self {
        Self { subject, value }
    }

    pub(super) fn value(&self) -> &str {
        self.value.expose_secret()
    }

    /// Whether a server gave it to a call.
    pub(super) fn is_captured(&self) -> bool {
        matches!(self.subject, Subject::Captured(_))
    }

    /// What stands in the place of its value.
    pub(super) fn replacement(&self) -> String {
        format!("[secret {}]", self.subject.label())
    }
}

impl Subject {
    /// What it is called where it is shown. A plugin gives names, too, so that they are cleaned.
    pub(super) fn label(&self) -> String {
        let (Self::Named(name) | Self::Captured(name) | Self::Written(name)) = self;
        let plain = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ');
        name.chars().filter(plain).take(LONGEST_LABEL).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.subject.fmt(f)
    }
}
