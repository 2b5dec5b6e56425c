//! Problems as SARIF 2.1.0, which code hosts show beside the lines of a change.

use std::collections::BTreeSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Code, Diagnostic, Diagnostics, ExampleKind, Label};

/// What a path keeps in a URI.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

impl Diagnostics {
    /// All problems as a SARIF 2.1.0 log with one run. File names that are relative stay so, as code hosts want them.
    pub fn sarif(&self) -> Value {
        let used: BTreeSet<Code> = self.iter().map(Diagnostic::code).collect();
        let codes: Vec<Code> = used.into_iter().collect();
        let index = |code| codes.binary_search(&code).ok();
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {
                    "name": "playbook",
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": codes.iter().map(|code| rule(*code)).collect::<Value>(),
                }},
                "columnKind": "unicodeCodePoints",
                "results": self.iter().map(|problem| problem.result(index(problem.code))).collect::<Value>(),
            }],
        })
    }
}

impl Diagnostic {
    fn result(&self, rule: Option<usize>) -> Value {
        let hint = self.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let mut result = json!({
            "ruleId": self.code.word(),
            "ruleIndex": rule,
            "level": "error",
            "message": {"text": format!("{}{hint}", self.message)},
        });
        let mut labels = self.labels.iter();
        if let Some(primary) = labels.next() {
            result["locations"] = json!([primary.location()]);
        }
        let related: Vec<Value> = labels.enumerate().map(|(id, label)| label.related(id)).collect();
        if !related.is_empty() {
            result["relatedLocations"] = related.into();
        }
        result
    }
}

impl Label {
    fn location(&self) -> Value {
        let uri = utf8_percent_encode(self.place.file(), PATH).to_string();
        let mut physical = json!({"artifactLocation": {"uri": uri}});
        if let Some(((line, column), (end_line, end_column))) = self.place.lines_columns() {
            physical["region"] =
                json!({"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column});
        }
        json!({"physicalLocation": physical})
    }

    fn related(&self, id: usize) -> Value {
        let mut location = self.location();
        location["id"] = id.into();
        location["message"] = json!({"text": self.text.as_deref().unwrap_or_default()});
        location
    }
}

fn rule(code: Code) -> Value {
    let explanation = code.explanation();
    let (wrong, right) = (explanation.wrong.join("\n"), explanation.right.join("\n"));
    let shell = explanation.shown == ExampleKind::Shell;
    let language = if shell { "sh" } else { "yaml" };
    json!({
        "id": code.word(),
        "name": code.name(),
        "shortDescription": {"text": format!("{}.", explanation.title)},
        "fullDescription": {"text": explanation.meaning},
        "help": {
            "text": format!("{}\n\nWrong:\n{wrong}\n\nRight:\n{right}", explanation.meaning),
            "markdown": format!(
                "{}\n\nWrong:\n\n```{language}\n{wrong}\n```\n\nRight:\n\n```{language}\n{right}\n```\n",
                explanation.meaning
            ),
        },
        "defaultConfiguration": {"level": "error"},
    })
}
