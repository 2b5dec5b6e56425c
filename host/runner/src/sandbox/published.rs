//! The entries that a step's plugin has published about its targets. They belong to the host, and are in the result however
//! the call ends.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::limits::ResultsHeld;
use crate::sandbox::accounting::Accounting;
use crate::secrets::Redactor;
use crate::text::schema::Schema;
use crate::text::weight::{self, Unread};

/// The account of the targets of one call. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Published(Arc<Mutex<Targets>>);

#[derive(Debug)]
struct Targets {
    /// The entry of each target, in the order of the params.
    entries: IndexMap<String, Option<Counted>>,
    /// The size of the entries, in bytes.
    bytes: usize,
    /// The largest size that they may have together, in bytes.
    limit: usize,
    /// Counts the entries among the results that the process keeps.
    held: ResultsHeld,
}

/// An entry and the bytes that were counted for it.
#[derive(Debug)]
struct Counted {
    entry: Entry,
    bytes: usize,
}

/// What became of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Its entry in the result: a JSON document as the plugin wrote it.
    Found(String),
    /// The reason why it has none.
    Failed(String),
}

/// Why an entry is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The call has no target of this name.
    UnknownTarget,
    /// The result would become too large. The target has failed for this reason.
    TooLarge(String),
}

/// The part of a result that accounts for targets.
#[derive(Debug)]
pub(crate) struct Accounted {
    pub(crate) result: Map<String, Value>,
    pub(crate) partial: bool,
}

/// The means of reading an account.
pub(crate) struct Reading<'r> {
    pub(crate) accounting: &'r Accounting,
    pub(crate) redactor: &'r Redactor,
    /// Counts the values that are read.
    pub(crate) results: &'r ResultsHeld,
    /// Set when the time for reading is up.
    pub(crate) stop: &'r AtomicBool,
}

impl Published {
    /// Opens an account of these targets. `limit` is the largest size of all entries, in bytes.
    pub(crate) fn new(targets: Vec<String>, limit: usize, results: &ResultsHeld) -> Self {
        Self(Arc::new(Mutex::new(Targets {
            entries: targets.into_iter().map(|target| (target, None)).collect(),
            bytes: 0,
            limit,
            held: results.another(),
        })))
    }

    /// Enters what became of a target, in place of an earlier entry.
    pub(crate) fn publish(&self, target: &str, entry: Entry) -> Result<(), Refused> {
        let mut targets = self.targets();
        let place = targets.entries.get_index_of(target).ok_or(Refused::UnknownTarget)?;
        targets.take(place);
        let (counted, outcome) = match targets.count(entry.size()) {
            Ok(bytes) => (Counted { entry, bytes }, Ok(())),
            Err(why) => {
                let entry = Entry::Failed(why.clone());
                (Counted { entry, bytes: 0 }, Err(Refused::TooLarge(why)))
            }
        };
        targets.entries[place] = Some(counted);
        outcome
    }

    /// Returns true if nothing was published.
    pub(crate) fn is_empty(&self) -> bool {
        self.targets().entries.values().all(Option::is_none)
    }

    /// Assembles the result, with each target in exactly one place, and closes the account. An entry that its schema refuses, or
    /// for which there is no room, becomes a failure with that reason.
    pub(crate) fn account(&self, reading: &Reading<'_>) -> Accounted {
        let (mut entries, mut failures, mut unanswered) = (Map::new(), Map::new(), Vec::new());
        let count = self.targets().entries.len();
        for place in 0..count {
            let (target, entry) = {
                let mut targets = self.targets();
                let entry = targets.take(place);
                let target = targets.entries.get_index(place).map(|(target, _)| target.clone());
                (target.expect("an account keeps its targets"), entry)
            };
            let read = match entry {
                None => {
                    unanswered.push(Value::String(target));
                    continue;
                }
                Some(Entry::Found(text)) => reading.read(&text),
                Some(Entry::Failed(reason)) => Err(reason),
            };
            match read {
                Ok(value) => entries.insert(target, value),
                Err(reason) => failures.insert(target, reading.redactor.redact_words(&reason).into()),
            };
        }
        let partial = !failures.is_empty() || !unanswered.is_empty();
        let accounting = reading.accounting;
        let keys = [
            (&accounting.entries, Value::Object(entries)),
            (&accounting.partial, partial.into()),
            (&accounting.unanswered, unanswered.into()),
            (&accounting.failures, Value::Object(failures)),
        ];
        Accounted {
            result: keys.into_iter().map(|(key, value)| (key.clone(), value)).collect(),
            partial,
        }
    }

    fn targets(&self) -> MutexGuard<'_, Targets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Targets {
    /// Counts the bytes of an entry, or returns the reason why they are too many.
    fn count(&mut self, bytes: usize) -> Result<usize, String> {
        let all = self.bytes.saturating_add(bytes);
        if all > self.limit {
            let limit = self.limit >> 20;
            return Err(format!(
                "with it, the result would be larger than {limit} MiB (`result_mib` in a policy)"
            ));
        }
        if !self.held.keep(bytes) {
            return Err(no_room(self.held.limit()));
        }
        self.bytes = all;
        Ok(bytes)
    }

    /// Removes the entry of a target, which is no longer counted.
    fn take(&mut self, place: usize) -> Option<Entry> {
        let Counted { entry, bytes } = self.entries[place].take()?;
        self.bytes -= bytes;
        self.held.give_back(bytes);
        Some(entry)
    }
}

impl Entry {
    fn size(&self) -> usize {
        match self {
            Self::Found(text) | Self::Failed(text) => text.len(),
        }
    }
}

impl Reading<'_> {
    fn read(&self, text: &str) -> Result<Value, String> {
        if self.stop.load(Ordering::Relaxed) {
            return Err("there was no time left to check its entry".to_owned());
        }
        let (mut value, mut bytes) = weighed(text, self.results)?;
        if let Some(why) = refused(&self.accounting.entry, &value) {
            return Err(format!("the plugin published an entry that its schema refuses: {why}"));
        }
        // Handles of this call must not leave it: in another call they would be refused.
        if let Cow::Owned(redacted) = self.redactor.redact_json_text(text) {
            drop(value);
            (value, bytes) = weighed(&redacted, self.results)?;
        }
        if !self.results.keep(bytes) {
            return Err(no_room(self.results.limit()));
        }
        Ok(value)
    }
}

/// Parses a JSON document, and returns the memory that it takes, in bytes.
pub(crate) fn weighed(text: &str, results: &ResultsHeld) -> Result<(Value, usize), String> {
    weight::read(text, results.left()).map_err(|unread| match unread {
        Unread::Json(error) => format!("not JSON: {error}"),
        Unread::TooLarge { .. } => no_room(results.limit()),
    })
}

/// Returns the reason why a schema refuses a value, if it does.
pub(crate) fn refused(schema: &Schema, value: &Value) -> Option<String> {
    let problem = schema.validate(value).into_iter().next()?;
    Some(format!("{} at `{}`", problem.message, problem.pointer))
}

/// Returns the message for a result that does not fit beside the others.
pub(crate) fn no_room(limit: usize) -> String {
    format!(
        "with it, results would take more than the {} MiB of memory that they may take (`results_mib` in a policy)",
        limit >> 20
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::limits::{Limits, Pools};

    fn accounting() -> Accounting {
        Accounting {
            targets: "targets".into(),
            entries: "found".into(),
            failures: "failed".into(),
            unanswered: "silent".into(),
            partial: "partial".into(),
            entry: Schema::compile(json!({"type": "array", "items": {"type": "string"}})).unwrap(),
        }
    }

    fn entry() -> impl Strategy<Value = Entry> {
        prop_oneof![
            4 => prop::collection::vec("[a-z]{0,40}", 0..6).prop_map(|texts| Entry::Found(json!(texts).to_string())),
            1 => Just(Entry::Found("{".into())),
            1 => Just(Entry::Found("[1]".into())),
            1 => "[a-z]{0,9}".prop_map(Entry::Failed),
        ]
    }

    proptest! {
        #[test]
        fn every_target_is_in_exactly_one_place_whatever_is_published(
            names in prop::collection::btree_set("[a-f]", 0..6),
            published in prop::collection::vec(("[a-h]", entry()), 0..30),
            limit in 0..400_usize,
            stopped in any::<bool>(),
        ) {
            let limits = Limits::default();
            let pools = Pools::new(&limits);
            let results = pools.results();
            let account = Published::new(names.iter().cloned().collect(), limit, &results);
            let mut last = std::collections::BTreeMap::new();
            for (target, entry) in published {
                let taken = account.publish(&target, entry.clone());
                prop_assert_eq!(names.contains(&target), taken != Err(Refused::UnknownTarget));
                last.insert(target, taken.map(|()| entry));
            }
            let accounted = account.account(&Reading {
                accounting: &accounting(),
                redactor: &Redactor::none(),
                results: &results,
                stop: &AtomicBool::new(stopped),
            });
            let result = Value::Object(accounted.result);
            let of = |key: &str| -> Vec<String> {
                result[key].as_object().unwrap().keys().cloned().collect()
            };
            let silent: Vec<String> = serde_json::from_value(result["silent"].clone()).unwrap();
            let all = [of("found"), of("failed"), silent.clone()].concat();
            prop_assert_eq!(all.len(), names.len());
            prop_assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), names.clone());
            prop_assert_eq!(result["partial"] == json!(true), of("found").len() < names.len());
            for name in &names {
                let said = match last.get(name) {
                    None => silent.contains(name),
                    Some(Ok(Entry::Failed(reason))) => result["failed"][name] == json!(reason),
                    Some(Ok(Entry::Found(text))) if !stopped && text.starts_with('[') && text != "[1]" => {
                        result["found"][name] == serde_json::from_str::<Value>(text).unwrap()
                    }
                    Some(Ok(Entry::Found(_)) | Err(_)) => result["failed"][name].is_string(),
                };
                prop_assert!(said, "{}: {}", name, result);
            }
            // What was published is counted no longer, only what was read.
            drop(account);
            drop(results);
            prop_assert_eq!(pools.results().left(), limits.results);
        }
    }
}
