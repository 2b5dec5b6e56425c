//! Which values can be searched for without ruining what they are searched for in.

use std::fmt;

use serde_json::Value;

/// The longest secret, in bytes.
const LONGEST: usize = 64 << 10;

/// The shortest value that is searched for, in bytes. Three letters stand by chance a hundred times in each megabyte of
/// results, and whoever sees that they are missing tries them all in a moment.
const SHORTEST: usize = 4;

/// The same for a number: shorter ones are process ids, ports and sizes.
const SHORTEST_NUMBER: usize = 6;

/// Up to this length, in bytes, letters of one kind are a word or a name, unless they are meant to be a credential.
const LONGEST_WORD: usize = 16;

/// What a secret is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// Something else, such as a user's name.
    Other,
    /// To show who we are: a token, a password.
    Credential,
}

/// Why a value cannot be searched for in texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Weakness {
    #[error("has {bytes} bytes, and may have {}", LONGEST)]
    TooLong { bytes: usize },
    #[error("has fewer than {}", if *.digits { "6 digits" } else { "4 bytes" })]
    TooShort { digits: bool },
    #[error("is a common word")]
    Common,
    #[error("is a word like those that stand in results")]
    Word,
    #[error("is part of a name that is written to the output")]
    Name,
}

/// Values that stand in texts everywhere: initial passwords, accounts and states.
const COMMON: [&str; 62] = [
    "0000",
    "1234",
    "12345",
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "abcd",
    "admin",
    "administrator",
    "anonymous",
    "apache",
    "backup",
    "change-me",
    "change_me",
    "changeme",
    "daemon",
    "default",
    "demo",
    "disabled",
    "enabled",
    "example",
    "false",
    "fleet",
    "guest",
    "host",
    "hostname",
    "http",
    "https",
    "info",
    "linux",
    "localhost",
    "login",
    "mysql",
    "name",
    "network",
    "nginx",
    "nobody",
    "none",
    "null",
    "online",
    "offline",
    "oracle",
    "osctrl",
    "osquery",
    "password",
    "postgres",
    "prod",
    "production",
    "query",
    "root",
    "secret",
    "server",
    "service",
    "staging",
    "system",
    "test",
    "token",
    "true",
    "user",
    "windows",
];

/// The names that are written to the output whatever it is about. None of them is ever changed.
const OURS: &str = "run_id playbook id name status success failed partial skipped cancelled interrupted started_at finished_at \
    duration_ms steps type step_type reason branch holds next items item attempts result error kind message hint notes subject text \
    results timed_out_hosts failed_hosts timeout unavailable protocol permission not-found not-allowed rate-limited \
    invalid-params invalid-input internal plugin not-selected not-reached unknown-step-type aborted condition event raw_event \
    source category severity title description alert_id external_id osquery_table query_name dedupe_key time timestamp";

/// Names that a search must not change: those of an author, of plugins and of ours.
pub(super) struct KeptNames(String);

impl Default for KeptNames {
    fn default() -> Self {
        Self(OURS.to_owned())
    }
}

impl fmt::Debug for KeptNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptNames")
    }
}

impl KeptNames {
    pub(super) fn add(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            self.0.push('\n');
            self.0.push_str(&name);
        }
    }

    /// Whether one of them holds a value.
    fn hold(&self, value: &str) -> bool {
        self.0.contains(value)
    }

    /// Judges whether a value can be searched for.
    pub(super) fn judge(&self, value: &str, used: Use) -> Result<(), Weakness> {
        let bytes = value.len();
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        let shortest = if digits { SHORTEST_NUMBER } else { SHORTEST };
        let mut letters = value.chars();
        let first = letters.next();
        if bytes > LONGEST {
            Err(Weakness::TooLong { bytes })
        } else if bytes < shortest {
            Err(Weakness::TooShort { digits })
        } else if COMMON.iter().any(|common| common.eq_ignore_ascii_case(value))
            || letters.all(|letter| Some(letter) == first)
        {
            Err(Weakness::Common)
        } else if self.hold(value) {
            Err(Weakness::Name)
        } else if used == Use::Other && is_word(value) {
            Err(Weakness::Word)
        } else {
            Ok(())
        }
    }
}

impl Weakness {
    /// Whether a value with this weakness is refused: one that shows who we are must not be left to be shown.
    pub(crate) fn refuses(self, used: Use) -> bool {
        match self {
            Self::TooLong { .. } => true,
            Self::TooShort { .. } => used == Use::Credential,
            Self::Common | Self::Word | Self::Name => false,
        }
    }
}

/// Whether a value is a word or a name: letters of one kind, perhaps with the first in upper case, or digits.
fn is_word(value: &str) -> bool {
    let rest = value.get(1..).unwrap_or_default();
    value.len() < LONGEST_WORD
        && [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit]
            .iter()
            .any(|kind| rest.bytes().all(|byte| kind(&byte)))
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The names that a schema gives: of properties, and values that it lists.
pub(crate) fn names_of_schema(schema: &Value, names: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                names.extend(properties.keys().cloned());
            }
            let listed = [map.get("enum"), map.get("const")].into_iter().flatten();
            listed.for_each(|listed| texts(listed, names));
            map.values().for_each(|value| names_of_schema(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| names_of_schema(item, names)),
        _ => {}
    }
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        _ => {}
    }
}
