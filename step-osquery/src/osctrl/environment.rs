//! The environment that a query runs in.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer, de};

use super::api::Session;
use super::wire::{EnvironmentShown, Me};
use crate::contract::Failure;
use crate::contract::Services;

/// What a path segment may hold as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An environment's name or uuid, fit to be a path segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Environment(String);

impl Environment {
    /// As it stands in a path.
    pub(super) fn segment(&self) -> String {
        Self::encode(&self.0)
    }

    /// A text as it stands in a path.
    pub(super) fn encode(text: &str) -> String {
        utf8_percent_encode(text, SEGMENT).to_string()
    }

    /// As the playbook spells it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a user may expire queries here, which takes an administrator. Levels are told by the environment's uuid, and
    /// this may be its name.
    pub(super) async fn may_expire<S: Services>(&self, session: &Session<'_, S>, user: &Me) -> bool {
        let admin = |uuid: &str| user.permissions.get(uuid).is_some_and(|levels| levels.admin);
        if user.admin {
            return true;
        }
        if user.permissions.contains_key(self.as_str()) {
            return admin(self.as_str());
        }
        let shown: Result<EnvironmentShown, Failure> = session.get(&format!("/environments/{}", self.segment())).await;
        shown.is_ok_and(|shown| admin(&shown.uuid))
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
