//! How much work a schema may be.
//!
//! Plugins bring schemas, and the host compiles them and validates with them, outside of the sandbox and its limits. So a
//! schema may not refer to itself, and its keywords are counted with all references followed. Without references to itself
//! each of them looks at a part of a value once, so that the number of keywords times the size of a value bounds the work;
//! both are limited, and so is their product.

use serde_json::{Map, Value};

/// The most work that a schema may be for each value that it looks at.
const MOST: usize = 20_000;

/// What compiling a pattern costs, where everything else costs one. How long it takes to match is limited by time.
const PATTERN: usize = 100;

/// What a pattern for keys costs. It is matched by the validator, and so is not limited by time.
const KEY_PATTERN: usize = 4_000;

/// What looking at all of a value costs, at each level of it.
const WHOLE: usize = 64;

/// How deep schemas may be within schemas, references included.
const DEEPEST: usize = 100;

/// The most work of validating a value: a few seconds.
const MOST_STEPS: usize = 2_000_000_000;

/// How much work a schema is for each value that it looks at. Refuses one that would be too much.
pub(super) fn check(schema: &Value) -> Result<usize, String> {
    let mut walk = Walk {
        root: schema,
        left: MOST,
    };
    walk.schema(schema, 0)?;
    Ok(MOST - walk.left)
}

/// Whether a value of this size is too much work for a schema.
pub(super) fn is_too_much(effort: usize, size: usize) -> bool {
    effort.saturating_mul(size) > MOST_STEPS
}

/// How much there is to look at in a value: the values in it, and their texts.
pub(super) fn size(value: &Value) -> usize {
    let text = |text: &str| 1 + text.len() / 8;
    match value {
        Value::String(found) => text(found),
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| text(key) + size(value));
            1 + entries.sum::<usize>()
        }
        _ => 1,
    }
}

struct Walk<'s> {
    root: &'s Value,
    left: usize,
}

impl<'s> Walk<'s> {
    /// A schema.
    fn schema(&mut self, schema: &'s Value, depth: usize) -> Result<(), String> {
        let within = depth + 1;
        self.spend(1, within)?;
        match schema {
            Value::Object(map) => map
                .iter()
                .try_for_each(|(keyword, value)| self.keyword(keyword, value, within)),
            // Where schemas may stand in a list, or where none should.
            Value::Array(schemas) => schemas.iter().try_for_each(|schema| self.schema(schema, within)),
            _ => Ok(()),
        }
    }

    fn keyword(&mut self, keyword: &str, value: &'s Value, depth: usize) -> Result<(), String> {
        match (keyword, value) {
            ("$ref", Value::String(target)) => {
                let pointer = target.strip_prefix('#');
                let pointer = pointer.filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
                let found = pointer.and_then(|pointer| self.root.pointer(pointer));
                let found = found.ok_or("it refers to something outside of itself")?;
                self.schema(found, depth)
            }
            // Their targets depend on the way to them.
            ("$dynamicRef" | "$recursiveRef", _) => Err("it uses dynamic references".to_owned()),
            // They validate again what others have validated, for each property or item anew.
            ("unevaluatedProperties" | "unevaluatedItems", _) => Err(format!("it uses `{keyword}`")),
            // Within another resource, references mean something else.
            ("$id" | "$anchor" | "$dynamicAnchor", Value::String(_)) if depth > 1 => {
                Err(format!("only the whole of it may have an `{keyword}`"))
            }
            // Only what is referred to is used.
            ("$defs" | "definitions", Value::Object(_)) => Ok(()),
            ("pattern", _) => self.spend(PATTERN, depth),
            ("uniqueItems", _) => self.spend(WHOLE, depth),
            ("enum" | "const" | "required" | "dependentRequired" | "type", data) => self.data(data, depth),
            ("patternProperties", Value::Object(schemas)) => {
                self.spend(KEY_PATTERN.saturating_mul(schemas.len()), depth)?;
                self.named(schemas, depth)
            }
            ("properties" | "dependentSchemas" | "dependencies", Value::Object(schemas)) => self.named(schemas, depth),
            _ => self.schema(value, depth),
        }
    }

    /// Schemas under names that are not keywords.
    fn named(&mut self, schemas: &'s Map<String, Value>, depth: usize) -> Result<(), String> {
        schemas.values().try_for_each(|schema| self.schema(schema, depth))
    }

    /// A value that is compared with.
    fn data(&mut self, data: &Value, depth: usize) -> Result<(), String> {
        self.spend(size(data), depth)
    }

    fn spend(&mut self, cost: usize, depth: usize) -> Result<(), String> {
        match self.left.checked_sub(cost) {
            Some(left) if depth <= DEEPEST => {
                self.left = left;
                Ok(())
            }
            _ => Err("it refers to itself, or is too large".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Schema;

    #[test]
    fn schemas_that_would_take_for_ever_are_refused() {
        let doubling = |last: Value| {
            let twice =
                |at: usize| json!({"allOf": [{"$ref": format!("#/$defs/d{at}")}, {"$ref": format!("#/$defs/d{at}")}]});
            let mut defs: serde_json::Map<_, _> = (0..40).map(|at| (format!("d{at}"), twice(at + 1))).collect();
            defs.insert("d40".to_owned(), last);
            json!({"$ref": "#/$defs/d0", "$defs": defs})
        };
        for (schema, words) in [
            (json!({"$ref": "#"}), "itself"),
            (json!({"properties": {"a": {"$ref": "#"}}}), "itself"),
            (doubling(json!({})), "too large"),
            (json!({"$ref": "https://example.com/schema.json"}), "outside"),
            (json!({"$ref": "file:///etc/passwd"}), "outside"),
            (json!({"$dynamicRef": "#a"}), "dynamic"),
            (
                json!({"properties": {"a": {"$id": "https://example.com/", "$ref": "#/b"}}}),
                "`$id`",
            ),
            (json!({"enum": vec![0; 30_000]}), "too large"),
            // A property is not a keyword, whatever its name.
            (json!({"properties": {"$defs": {"enum": vec![0; 30_000]}}}), "too large"),
            (
                json!({"items": {"properties": {"a": {"unevaluatedProperties": false}}}}),
                "unevaluated",
            ),
            (
                json!({"patternProperties": {"a": true, "b": true, "c": true, "d": true, "e": true}}),
                "too large",
            ),
            // Twice repeated, this is a program of a million steps.
            (json!({"pattern": "(a{1000}){1000}"}), ""),
            (json!({"patternProperties": {"(a{1000}){1000}": true}}), ""),
        ] {
            let error = Schema::compile(schema.clone()).expect_err(&schema.to_string());
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_pattern_takes_no_longer_than_the_text_is_long() {
        let schema = Schema::compile(json!({"pattern": "^(a+)+$"})).unwrap();
        let text = "a".repeat(100_000) + "b";
        assert_eq!(schema.validate(&Value::from(text)).len(), 1);
        // What would need backtracking is no pattern here.
        assert!(Schema::compile(json!({"pattern": "^(a+)\\1$"})).is_err());
        assert!(Schema::compile(json!({"pattern": "^(?=a)"})).is_err());
    }
}
