//! Schemas of whole files, as editors need them: the host's own part, and in it what every loaded plugin says of its params.
//!
//! An editor sees what was written and not what it is filled in to, so wherever a plugin's schema expects a value, a
//! template does as well. What these schemas refuse is wrong for certain; what they accept, the command may still refuse.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::language::step::CONDITION;
use crate::poll::connector::CONNECTOR_SCHEMA;
use crate::runner::Runner;
use crate::text::schema::Schema;

/// What the host says of playbooks.
const PLAYBOOK_SCHEMA: &str = include_str!("../schemas/bare/playbook.schema.json");

/// Matches texts that have something to fill in.
const TEMPLATE: &str = r"\{[\{%#]";

/// Keywords that describe a value and restrict nothing.
const ANNOTATIONS: [&str; 8] = [
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
];

impl Runner {
    /// JSON Schema of a playbook, with the params of every step type that a loaded plugin provides. It refers to no other
    /// document, and takes a template wherever a param's value may be one.
    pub fn playbook_schema(&self) -> Value {
        let mut schema = own(PLAYBOOK_SCHEMA);
        let types = self.step_types().map(|step| (&*step.name, &*step.summary));
        let step = &mut schema["$defs"]["step"];
        choose(
            &mut step["properties"]["type"],
            types.chain([(CONDITION, "Only branches: needs `condition` or `when`.")]),
        );
        for step_type in self.step_types() {
            let part = PluginPart {
                name: format!("{}.params", step_type.name),
                key: "params",
                schema: &step_type.params,
            };
            let rule = rule("type", &step_type.name, &[&part]);
            push(&mut schema["$defs"]["step"]["allOf"], rule);
            schema["$defs"][&part.name] = part.inlined();
        }
        schema
    }

    /// JSON Schema of a connector file, with `config` and `connector_config` of every connector that a loaded plugin
    /// provides. It refers to no other document, and takes a template wherever a value may be one.
    pub fn connector_schema(&self) -> Value {
        let mut schema = own(CONNECTOR_SCHEMA);
        let kinds = self
            .connector_types()
            .map(|connector| (&*connector.name, &*connector.summary));
        choose(&mut schema["properties"]["connector"], kinds);
        for connector in self.connector_types() {
            let part = |key, schema| PluginPart {
                name: format!("{}.{key}", connector.name),
                key,
                schema,
            };
            let parts = [
                part("config", &connector.config),
                part("connector_config", &connector.options),
            ];
            push(
                &mut schema["allOf"],
                rule("connector", &connector.name, &[&parts[0], &parts[1]]),
            );
            for part in &parts {
                schema["$defs"][&part.name] = part.inlined();
            }
        }
        schema
    }
}

/// What a plugin says of a key's value.
struct PluginPart<'a> {
    /// What it is called among the definitions.
    name: String,
    key: &'static str,
    schema: &'a Schema,
}

impl PluginPart<'_> {
    /// Where it is, as a reference.
    fn reference(&self) -> String {
        format!("#/$defs/{}", escaped(&self.name))
    }

    /// Whether the key can be left out, or be empty.
    fn is_optional(&self) -> bool {
        self.schema.validate(&json!({})).is_empty()
    }

    /// As a part of another document.
    fn inlined(&self) -> Value {
        let mut document = self.schema.document().clone();
        if let Some(map) = document.as_object_mut() {
            map.retain(|keyword, _| keyword != "$schema" && keyword != "$id");
        }
        Inlined(&self.reference()).open(&document)
    }
}

/// A part of the host's own schemas, which are valid.
fn own(text: &str) -> Value {
    serde_json::from_str(text).expect("the host's schemas are JSON")
}

/// Restricts a value to names, each with a line about it.
fn choose<'a>(schema: &mut Value, named: impl Iterator<Item = (&'a str, &'a str)>) {
    let (names, summaries): (Vec<&str>, Vec<&str>) = named.unzip();
    if let Some(map) = schema.as_object_mut() {
        map.retain(|keyword, _| keyword != "examples");
    }
    schema["enum"] = json!(names);
    // Not of JSON Schema: editors show these lines beside the names.
    schema["enumDescriptions"] = json!(summaries);
}

/// What holds for a map if one of its keys has this value.
fn rule(key: &str, value: &str, parts: &[&PluginPart<'_>]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for part in parts {
        let reference = json!({"$ref": part.reference()});
        if part.is_optional() {
            properties.insert(part.key.into(), json!({"if": {"type": "null"}, "else": reference}));
        } else {
            properties.insert(part.key.into(), reference);
            required.push(part.key);
        }
    }
    json!({
        "if": {"properties": {key: {"const": value}}, "required": [key]},
        "then": {"required": required, "properties": properties},
    })
}

fn push(list: &mut Value, value: Value) {
    match list {
        Value::Array(items) => items.push(value),
        _ => *list = json!([value]),
    }
}

/// A name as a part of a reference: a JSON pointer in the fragment of a URI.
fn escaped(name: &str) -> String {
    const PLAIN: percent_encoding::AsciiSet = NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-').remove(b'~');
    let name = name.replace('~', "~0").replace('/', "~1");
    utf8_percent_encode(&name, &PLAIN).to_string()
}

/// Makes a schema a part of another document, at this reference.
struct Inlined<'a>(&'a str);

impl Inlined<'_> {
    /// A schema that accepts what `schema` does, and the same with templates in the place of values.
    fn open(&self, schema: &Value) -> Value {
        let Value::Object(keywords) = schema else {
            return schema.clone();
        };
        let mut opened = Map::new();
        let mut also = Vec::new();
        for (keyword, value) in keywords {
            let value = match keyword.as_str() {
                "properties" | "patternProperties" => each(value, |schema| self.open_value(schema)),
                "items"
                | "prefixItems"
                | "additionalProperties"
                | "unevaluatedItems"
                | "unevaluatedProperties"
                | "contains" => match value {
                    Value::Array(_) => each(value, |schema| self.open_value(schema)),
                    schema => self.open_value(schema),
                },
                "allOf" => each(value, |schema| self.open_demand(schema)),
                "anyOf" | "$defs" | "definitions" | "dependentSchemas" => each(value, |schema| self.open(schema)),
                // A template may fit several of them.
                "oneOf" => {
                    also.push(json!({"anyOf": each(value, |schema| self.open(schema))}));
                    continue;
                }
                "then" => self.open(value),
                // What a template stands for may well meet the condition.
                "else" => continue,
                "$ref" => value.as_str().map_or(Value::Null, |to| self.moved(to).into()),
                "if" | "not" | "propertyNames" => self.refer(value),
                // Not of JSON Schema: what editors say when the value is wrong.
                "x-message" => {
                    opened.insert("patternErrorMessage".into(), value.clone());
                    opened.insert("errorMessage".into(), value.clone());
                    continue;
                }
                // These are for the host.
                keyword if keyword.starts_with("x-") => continue,
                _ => value.clone(),
            };
            opened.insert(keyword.clone(), value);
        }
        for schema in also {
            push(opened.entry("allOf").or_insert(Value::Null), schema);
        }
        opened.into()
    }

    /// The same for a value that may be a template itself.
    fn open_value(&self, schema: &Value) -> Value {
        let Value::Object(opened) = self.open(schema) else {
            return schema.clone();
        };
        let (mut described, restricted): (Map<_, _>, Map<_, _>) = opened
            .into_iter()
            .partition(|(keyword, _)| ANNOTATIONS.contains(&keyword.as_str()));
        if let Some(kinds) = restricted.get("type").and_then(kinds_with_text) {
            described.insert("type".into(), kinds);
        }
        if let Some(names) = restricted.get("enum").and_then(Value::as_array) {
            described.insert("defaultSnippets".into(), names.iter().map(offered).collect());
        }
        if let (Some(Value::String(about)), Some(default)) = (described.get("description"), described.get("default")) {
            let about = format!("{about} Default: {default}.");
            described.insert("description".into(), about.into());
        }
        if !restricted.is_empty() {
            described.insert("if".into(), json!({"type": "string", "pattern": TEMPLATE}));
            described.insert("else".into(), restricted.into());
        }
        described.into()
    }

    /// The same for what is demanded of a map as a whole. Editors tell the message of a wrong type, but not that of `anyOf`
    /// or `not`, so a map that does not meet the demand gets a wrong type.
    fn open_demand(&self, schema: &Value) -> Value {
        let opened = self.open(schema);
        let Value::Object(mut demand) = opened else {
            return opened;
        };
        let is_bare = |demand: &Map<_, _>| {
            !["if", "then", "properties", "$ref"]
                .iter()
                .any(|key| demand.contains_key(*key))
        };
        match demand.get("errorMessage").cloned() {
            Some(message) if is_bare(&demand) => {
                demand.retain(|keyword, _| !keyword.ends_with("rrorMessage"));
                json!({"if": demand, "else": {"type": "string", "errorMessage": message}})
            }
            _ => demand.into(),
        }
    }

    /// The schema as it is, but for where it refers to.
    fn refer(&self, schema: &Value) -> Value {
        match schema {
            Value::Object(keywords) => {
                let moved = keywords.iter().map(|(keyword, value)| {
                    let value = match (keyword.as_str(), value) {
                        ("$ref", Value::String(to)) => self.moved(to).into(),
                        ("const" | "enum" | "default" | "examples", value) => value.clone(),
                        (_, value) => self.refer(value),
                    };
                    (keyword.clone(), value)
                });
                moved.collect::<Map<_, _>>().into()
            }
            Value::Array(items) => items.iter().map(|item| self.refer(item)).collect(),
            other => other.clone(),
        }
    }

    /// Where a reference leads to.
    fn moved(&self, reference: &str) -> String {
        match reference.strip_prefix('#') {
            Some(pointer) if pointer.is_empty() || pointer.starts_with('/') => format!("{}{pointer}", self.0),
            _ => reference.to_owned(),
        }
    }
}

/// The types of a value that may be a template as well. They restrict little, and editors complete by them.
fn kinds_with_text(kinds: &Value) -> Option<Value> {
    match kinds {
        Value::String(kind) if kind != "string" => Some(json!([kind, "string"])),
        Value::Array(kinds) if !kinds.contains(&json!("string")) => {
            Some(kinds.iter().cloned().chain([json!("string")]).collect())
        }
        _ => None,
    }
}

/// Not of JSON Schema: a value that editors offer.
fn offered(value: &Value) -> Value {
    let label = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    json!({"label": label, "body": value})
}

/// The entries of a map or of a list, changed.
fn each(schemas: &Value, change: impl Fn(&Value) -> Value) -> Value {
    match schemas {
        Value::Object(map) => {
            let changed = map.iter().map(|(key, schema)| (key.clone(), change(schema)));
            changed.collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(change).collect(),
        other => other.clone(),
    }
}
