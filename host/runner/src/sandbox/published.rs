//! What a step's plugin has published about its targets. It belongs to the host, and is in the result however the call ends.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use crate::limits::ResultsHeld;
use crate::sandbox::accounting::Accounting;
use crate::secrets::Redactor;
use crate::text::schema::Schema;
use crate::text::weight::{self, Unread};

/// The account of the targets of one call. Clones are the same account.
#[derive(Debug, Clone)]
pub(crate) struct Published(Arc<Mutex<Targets>>);

#[derive(Debug)]
struct Targets {
    names: Vec<String>,
    places: HashMap<String, usize>,
    entries: Vec<Option<Entry>>,
    /// What the entries take, in bytes, and may take.
    bytes: usize,
    limit: usize,
    /// Counts the entries among the results that the process keeps.
    held: ResultsHeld,
}

/// What became of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Its entry in the result, a JSON document as the plugin wrote it.
    Found(String),
    /// Why it has none.
    Failed(String),
}

/// Why an entry is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No target of the call has this name.
    UnknownTarget,
    /// The result may not become that large. The target is entered as failed, for this reason.
    TooLarge(String),
}

/// The result as far as it accounts for targets.
#[derive(Debug)]
pub(crate) struct Accounted {
    pub(crate) result: Map<String, Value>,
    pub(crate) partial: bool,
}

/// What an account is read with.
pub(crate) struct Reading<'r> {
    pub(crate) accounting: &'r Accounting,
    pub(crate) redactor: &'r Redactor,
    /// Counts what is read.
    pub(crate) results: &'r ResultsHeld,
    /// There is no time to read what is left.
    pub(crate) stop: &'r AtomicBool,
}

impl Published {
    /// The account of these targets, whose entries are no larger than the limit, in bytes.
    pub(crate) fn new(names: Vec<String>, limit: usize, results: &ResultsHeld) -> Self {
        let places = names.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        Self(Arc::new(Mutex::new(Targets {
            entries: vec![None; names.len()],
            names,
            places,
            bytes: 0,
            limit,
            held: results.another(),
        })))
    }

    /// Enters what became of a target, in the place of what was entered before.
    pub(crate) fn publish(&self, target: &str, entry: Entry) -> Result<(), Refused> {
        let mut targets = self.targets();
        let place = *targets.places.get(target).ok_or(Refused::UnknownTarget)?;
        targets.clear(place);
        match targets.room(entry.bytes()) {
            Ok(()) => {
                targets.entries[place] = Some(entry);
                Ok(())
            }
            Err(why) => {
                targets.entries[place] = Some(Entry::Failed(why.clone()));
                Err(Refused::TooLarge(why))
            }
        }
    }

    /// Whether anything was published.
    pub(crate) fn is_empty(&self) -> bool {
        self.targets().entries.iter().all(Option::is_none)
    }

    /// The result, with each target in exactly one place. An entry that its schema refuses, or for which there is no room, is a
    /// failure that says so. What was published is given up.
    pub(crate) fn account(&self, reading: &Reading<'_>) -> Accounted {
        let (mut entries, mut failures, mut unanswered) = (Map::new(), Map::new(), Vec::new());
        let names = std::mem::take(&mut self.targets().names);
        for (place, name) in names.into_iter().enumerate() {
            let entry = self.targets().take(place);
            let read = match entry {
                None => {
                    unanswered.push(Value::String(name));
                    continue;
                }
                Some(Entry::Found(text)) => reading.read(&text),
                Some(Entry::Failed(reason)) => Err(reason),
            };
            match read {
                Ok(value) => entries.insert(name, value),
                Err(reason) => failures.insert(name, reading.redactor.redact_words(&reason).into()),
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
    /// Counts so many bytes more, or says why that is too much.
    fn room(&mut self, bytes: usize) -> Result<(), String> {
        let fits = self.bytes.checked_add(bytes).is_some_and(|all| all <= self.limit);
        if !fits {
            let limit = self.limit >> 20;
            return Err(format!(
                "with it, the result would be larger than {limit} MiB (`result_mib` in a policy)"
            ));
        }
        if !self.held.keep(bytes) {
            return Err(no_room(self.held.limit()));
        }
        self.bytes += bytes;
        Ok(())
    }

    fn take(&mut self, place: usize) -> Option<Entry> {
        let entry = self.entries[place].take()?;
        // What says why there was no room takes next to none.
        self.bytes = self.bytes.saturating_sub(entry.bytes());
        self.held.give_back(entry.bytes());
        Some(entry)
    }

    fn clear(&mut self, place: usize) {
        drop(self.take(place));
    }
}

impl Entry {
    fn bytes(&self) -> usize {
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
        let (value, mut bytes) = weighed(text, self.results)?;
        if let Some(why) = refused(&self.accounting.entry, &value) {
            return Err(format!("the plugin published what its schema refuses: {why}"));
        }
        // The handles of this call mean something here, and nowhere else.
        let value = match self.redactor.redact_json_text(text) {
            Cow::Borrowed(_) => value,
            Cow::Owned(redacted) => {
                drop(value);
                let (value, redacted_bytes) = weighed(&redacted, self.results)?;
                bytes = redacted_bytes;
                value
            }
        };
        if !self.results.keep(bytes) {
            return Err(no_room(self.results.limit()));
        }
        Ok(value)
    }
}

/// A JSON document, and how much memory it takes.
pub(crate) fn weighed(text: &str, results: &ResultsHeld) -> Result<(Value, usize), String> {
    weight::read(text, results.left()).map_err(|unread| match unread {
        Unread::Json(error) => format!("not JSON: {error}"),
        Unread::TooLarge { .. } => no_room(results.limit()),
    })
}

/// Why a schema refuses a value, if it does.
pub(crate) fn refused(schema: &Schema, value: &Value) -> Option<String> {
    let problem = schema.validate(value).into_iter().next()?;
    Some(format!("{} at `{}`", problem.message, problem.pointer))
}

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
