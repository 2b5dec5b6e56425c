//! An environment of osctrl.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer, de};

use crate::contract::{Failure, FailureKind};

/// The characters that a path segment holds unescaped.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An environment's name or uuid, fit to be a path segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Environment(String);

impl Environment {
    /// Returns the environment as a path segment.
    pub(super) fn segment(&self) -> String {
        Self::encode(&self.0)
    }

    /// Returns a text as a path segment.
    pub(super) fn encode(text: &str) -> String {
        utf8_percent_encode(text, SEGMENT).to_string()
    }

    /// Returns the environment as the playbook names it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Names the environment in a failure that says that the server does not have it. The routes have different
    /// messages for that.
    pub(super) fn name_in(&self, failure: Failure) -> Failure {
        let messages = ["environment not found", "error getting environment"];
        if failure.kind != FailureKind::NotFound || !messages.iter().any(|message| failure.message.contains(message)) {
            return failure;
        }
        let message = format!("osctrl has no environment `{}`", self.as_str());
        Failure::new(FailureKind::NotFound, message)
            .hint("environment takes the name or the uuid, spelt exactly as in osctrl")
    }
}

impl<'de> Deserialize<'de> for Environment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let starts_well = name.starts_with(|first: char| first.is_alphanumeric());
        let plain = name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' '));
        if starts_well && plain && name.len() <= 255 {
            Ok(Self(name))
        } else {
            Err(de::Error::custom(
                "environment must be the name or the uuid of an osctrl environment",
            ))
        }
    }
}
