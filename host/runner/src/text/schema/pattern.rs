//! The keyword `pattern`. A schema has many of which a value meets few, so each is compiled when it first meets a text: all of
//! a live query's took 2.2 ms of every start.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::time::Duration;

use jsonschema::{Keyword, ValidationError};
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use tokio::time::Instant;

/// The largest program that a pattern may become, in bytes.
pub(super) const LARGEST: usize = 1 << 18;

/// What the engine may keep of a pattern between matches, in bytes.
const CACHE: usize = 1 << 18;

/// The longest text that is matched, in bytes: one match cannot be interrupted.
const LONGEST: usize = 1 << 20;

/// How long matching patterns may take while one value is validated.
const TIME: Duration = Duration::from_secs(3);

thread_local! {
    /// When the patterns of the validation that runs on this thread have to be done, and whether one was given up.
    static DEADLINE: Cell<(Option<Instant>, bool)> = const { Cell::new((None, false)) };
}

/// Runs a validation. Returns what it returned, unless matching its patterns was given up.
pub(super) fn timed<T>(validation: impl FnOnce() -> T) -> Result<T, TooLong> {
    DEADLINE.set((Some(Instant::now() + TIME), false));
    let done = validation();
    let (_, given_up) = DEADLINE.replace((None, false));
    if given_up { Err(TooLong) } else { Ok(done) }
}

/// Matching patterns took too long, or a text was too long to be matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

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
            builder
                .size_limit(LARGEST)
                .dfa_size_limit(CACHE)
                .build()
                .map_err(|_| unusable())
        };
        self.compiled.get_or_init(compile).as_ref().map_err(String::as_str)
    }

    fn matches(&self, text: &str) -> bool {
        let (deadline, given_up) = DEADLINE.get();
        if given_up || text.len() > LONGEST || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            DEADLINE.set((deadline, true));
            return false;
        }
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
