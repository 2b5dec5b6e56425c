//! The variables that a playbook declares: `vars: {name: default}`.

use serde_json::{Map, Value};

use crate::text::diagnostic::{Code, Diagnostic, Place, suggestion};
use crate::text::document::Document;
use crate::text::json::kind;

/// Declared variables and their defaults; `null` is no default.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vars(Option<Map<String, Value>>);

impl Vars {
    /// The variables of a playbook's `vars`.
    pub(crate) fn declared(defaults: Map<String, Value>) -> Self {
        Self(Some(defaults))
    }

    /// The names, if the playbook declares any variables.
    pub(crate) fn names(&self) -> Option<Vec<&str>> {
        Some(self.0.as_ref()?.keys().map(String::as_str).collect())
    }

    /// The values for a run: what was given, and the defaults for the rest.
    ///
    /// A text that was given for a variable whose default is no text is read as the default's type, because on a command
    /// line everything is a text.
    pub(crate) fn fill(
        &self,
        given: &Map<String, Value>,
        document: &Document,
    ) -> Result<Map<String, Value>, Vec<Diagnostic>> {
        let Some(declared) = &self.0 else {
            return Ok(given.clone());
        };
        let mut problems = Vec::new();
        let mut values = Map::new();
        for name in given.keys().filter(|name| !declared.contains_key(*name)) {
            problems.push(
                Diagnostic::error(Code::UnknownVar, format!("the playbook declares no variable `{name}`"))
                    .maybe_hint(suggestion(name, declared.keys().map(String::as_str))),
            );
        }
        for (name, default) in declared {
            match (given.get(name), default) {
                (Some(value), _) => match read_as(default, value) {
                    Ok(value) => {
                        values.insert(name.clone(), value);
                    }
                    Err(()) => problems.push(Diagnostic::error(
                        Code::WrongType,
                        format!("the variable `{name}` must be {}, as its default is", kind(default)),
                    )),
                },
                (None, Value::Null) => {
                    let span = document.key_span(&format!("/vars/{name}"));
                    problems.push(
                        Diagnostic::error(
                            Code::MissingVar,
                            format!("the variable `{name}` has no default and was not given"),
                        )
                        .at(Place::bytes(document.source().clone(), span))
                        .hint(format!("give it with `--var {name}=…`")),
                    );
                }
                (None, default) => {
                    values.insert(name.clone(), default.clone());
                }
            }
        }
        if problems.is_empty() { Ok(values) } else { Err(problems) }
    }
}

/// A value that was given, as the default's type.
fn read_as(default: &Value, given: &Value) -> Result<Value, ()> {
    let Value::String(text) = given else {
        return Ok(given.clone());
    };
    if matches!(default, Value::Null | Value::String(_)) {
        return Ok(given.clone());
    }
    let read: Value = serde_json::from_str(text).map_err(|_| ())?;
    let same = std::mem::discriminant(&read) == std::mem::discriminant(default);
    if same { Ok(read) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::text::source::Source;

    fn document() -> Document {
        let text = "vars: {url: null, limit: 20, deep: false, hosts: [a], name: x}\n";
        Document::parse(Source::new("p.yaml", text)).unwrap().0
    }

    fn fill(given: &Value) -> Result<Value, Vec<(Code, String)>> {
        let document = document();
        let vars = Vars::declared(document.value()["vars"].as_object().unwrap().clone());
        vars.fill(given.as_object().unwrap(), &document)
            .map(Value::Object)
            .map_err(|problems| problems.iter().map(|p| (p.code(), p.message().to_owned())).collect())
    }

    #[test]
    fn what_is_given_takes_the_type_of_the_default() {
        let given = json!({"url": "u", "limit": "5", "deep": "true", "hosts": "[\"b\"]", "name": "7"});
        let filled = json!({"url": "u", "limit": 5, "deep": true, "hosts": ["b"], "name": "7"});
        assert_eq!(fill(&given), Ok(filled));
        let defaults = json!({"url": 1, "limit": 20, "deep": false, "hosts": ["a"], "name": "x"});
        assert_eq!(fill(&json!({"url": 1})), Ok(defaults));
    }

    #[test]
    fn each_mistake_is_told() {
        for (given, code) in [
            (json!({}), Code::MissingVar),
            (json!({"url": "u", "limt": "5"}), Code::UnknownVar),
            (json!({"url": "u", "limit": "many"}), Code::WrongType),
            (json!({"url": "u", "deep": "1"}), Code::WrongType),
            (json!({"url": "u", "hosts": "b"}), Code::WrongType),
        ] {
            let problems = fill(&given).unwrap_err();
            assert_eq!(problems[0].0, code, "{given}: {problems:?}");
        }
    }
}
