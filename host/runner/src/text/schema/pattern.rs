//! The keyword `pattern`. A schema has many of which a value meets few, so each is compiled when it first meets a text: all of
//! a live query's took 2.2 ms of every start.

use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;

use jsonschema::{Keyword, ValidationError};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

/// The largest program that a pattern may become, in bytes.
pub(super) const LARGEST: usize = 1 << 20;

/// A regular expression as ECMA-262 writes it, without what would need backtracking: this engine takes no longer than the text
/// is long.
pub(super) struct Pattern {
    written: String,
    compiled: OnceLock<Result<Regex, String>>,
}

impl Pattern {
    pub(super) fn new(written: &str) -> Self {
        Self {
            written: written.to_owned(),
            compiled: OnceLock::new(),
        }
    }

    /// Fails if it is no pattern that can be used.
    pub(super) fn compile(&self) -> Result<&Regex, &str> {
        let compile = || {
            let unusable = || format!("the pattern {} cannot be used", self.written);
            let pattern = jsonschema_regex::to_rust_regex(&self.written).map_err(|()| unusable())?;
            let mut builder = RegexBuilder::new(&pattern);
            builder.size_limit(LARGEST).build().map_err(|_| unusable())
        };
        self.compiled.get_or_init(compile).as_ref().map_err(String::as_str)
    }

    fn matches(&self, text: &str) -> bool {
        // The engine is known to panic with some patterns (rust-lang/regex#1344), and plugins bring theirs.
        let matches = AssertUnwindSafe(|| self.compile().is_ok_and(|regex| regex.is_match(text)));
        std::panic::catch_unwind(matches).unwrap_or(false)
    }
}

impl<'i> Keyword<'i> for Pattern {
    /// What is said of a text that does not match is the pattern.
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if Keyword::is_valid(self, instance) {
            Ok(())
        } else {
            Err(ValidationError::custom(self.written.clone()))
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        instance.as_str().is_none_or(|text| self.matches(text))
    }
}
