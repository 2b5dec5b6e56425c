//! How much work a schema may be.
//!
//! Plugins bring schemas, and the host compiles them and validates with them, outside of the sandbox and its limits. So a
//! schema may not refer to itself, and is counted with all references followed: what is left takes a time that grows with
//! the value and no faster.

use serde_json::Value;

/// The most work.
const MOST: usize = 20_000;

/// What a pattern costs, where everything else costs one.
const PATTERN: usize = 20;

/// How deep schemas may be within schemas, references included.
const DEEPEST: usize = 100;

/// Refuses a schema that would be too much work.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    let mut walk = Walk {
        root: schema,
        left: MOST,
    };
    walk.all(schema, 0)
}

struct Walk<'s> {
    root: &'s Value,
    left: usize,
}

impl<'s> Walk<'s> {
    fn all(&mut self, value: &'s Value, depth: usize) -> Result<(), String> {
        let within = depth + 1;
        match value {
            Value::Object(map) => {
                self.spend(1, within)?;
                map.iter().try_for_each(|(key, value)| self.keyword(key, value, within))
            }
            Value::Array(items) => items.iter().try_for_each(|item| self.all(item, within)),
            _ => self.spend(1, within),
        }
    }

    fn keyword(&mut self, key: &str, value: &'s Value, depth: usize) -> Result<(), String> {
        match (key, value) {
            ("$ref", Value::String(target)) => {
                let pointer = target.strip_prefix('#');
                let pointer = pointer.filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
                let found = pointer.and_then(|pointer| self.root.pointer(pointer));
                let found = found.ok_or("it refers to something outside of itself")?;
                self.all(found, depth)
            }
            // Their targets depend on the way to them.
            ("$dynamicRef" | "$recursiveRef", Value::String(_)) => Err("it uses dynamic references".to_owned()),
            // Within another resource, references mean something else.
            ("$id" | "$anchor" | "$dynamicAnchor", Value::String(_)) if depth > 1 => {
                Err(format!("only the whole of it may have an `{key}`"))
            }
            // Only what is referred to is used.
            ("$defs", Value::Object(_)) => Ok(()),
            ("pattern", Value::String(_)) => self.spend(PATTERN, depth),
            ("patternProperties", Value::Object(map)) => {
                self.spend(PATTERN.saturating_mul(map.len()), depth)?;
                self.all(value, depth)
            }
            _ => self.all(value, depth),
        }
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
