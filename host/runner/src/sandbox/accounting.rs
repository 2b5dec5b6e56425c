//! The account of targets in a step's result, as its plugin describes it.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::sandbox::bindings::exports::playbook::plugin::step as wit;
use crate::text::schema::{Schema, SchemaReader};

/// The keys of a result that account for the targets of a step. Each target is under exactly one of the first three.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Accounting {
    /// The param that names the targets.
    pub targets: String,
    /// The key of the entries, a map by target.
    pub entries: String,
    /// The key of the reasons why targets failed, a map by target.
    pub failures: String,
    /// The key of the list of unanswered targets.
    pub unanswered: String,
    /// The key that says whether any target failed or is unanswered.
    pub partial: String,
    /// The schema of an entry.
    pub entry: Schema,
}

impl Accounting {
    /// Parses the description of a plugin, for a step with these params and this result.
    pub(crate) fn parse(
        described: wit::Accounting,
        params: &Schema,
        result: &Schema,
        schema: SchemaReader,
    ) -> Result<Self, String> {
        let keys = [
            &described.entries,
            &described.failures,
            &described.unanswered,
            &described.partial,
        ];
        let properties = |schema: &Schema| schema.document().get("properties").and_then(Value::as_object).cloned();
        let of_result = properties(result).unwrap_or_default();
        for (at, key) in keys.iter().enumerate() {
            if keys[..at].contains(key) {
                return Err(format!("its accounting uses the key `{key}` twice"));
            }
            if !of_result.contains_key(key.as_str()) {
                return Err(format!(
                    "its accounting uses the key `{key}`, which its result schema does not have"
                ));
            }
        }
        if !properties(params).unwrap_or_default().contains_key(&described.targets) {
            let param = &described.targets;
            return Err(format!(
                "its accounting uses the param `{param}`, which its params schema does not have"
            ));
        }
        let entry = entry_schema(&described.entries, &of_result, result.document());
        Ok(Self {
            entry: schema(entry).map_err(|why| format!("the schema of its entries is not a JSON Schema: {why}"))?,
            targets: described.targets,
            entries: described.entries,
            failures: described.failures,
            unanswered: described.unanswered,
            partial: described.partial,
        })
    }

    /// Returns the targets that these params name, without surrounding space, each once.
    pub(crate) fn targets_of(&self, params: &Value) -> Vec<String> {
        let named = params.get(&self.targets).and_then(Value::as_array);
        let mut targets: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        for name in named.into_iter().flatten().filter_map(Value::as_str).map(str::trim) {
            if !name.is_empty() && seen.insert(name) {
                targets.push(name.to_owned());
            }
        }
        targets
    }
}

/// Returns the schema of an entry, with the definitions that it may refer to.
fn entry_schema(key: &str, properties: &Map<String, Value>, result: &Value) -> Value {
    let entries = properties.get(key);
    let entry = entries.and_then(|entries| entries.get("additionalProperties"));
    match (entry, result.get("$defs")) {
        (Some(Value::Object(entry)), Some(definitions)) => {
            let mut entry = entry.clone();
            entry.entry("$defs").or_insert_with(|| definitions.clone());
            entry.into()
        }
        (Some(entry), _) => entry.clone(),
        (None, _) => true.into(),
    }
}
