//! Reads a playbook from its document.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use super::Playbook;
use super::texts::{Items, Texts};
use crate::language::flow::Flow;
use crate::language::for_each::{ForEach, MOST_AT_ONCE};
use crate::language::render::{self, Scope};
use crate::language::step::CONDITION;
use crate::language::step::MOST_RETRIES;
use crate::language::step::OnFailure;
use crate::language::step::Step;
use crate::language::vars::Vars;
use crate::text::diagnostic::{Code, Diagnostic, Diagnostics, Place, cut, nearest, suggestion};
use crate::text::document::Document;
use crate::text::json::any_text;
use crate::text::json::escape_key;

/// Keys of a playbook. Names are `AiSOC`'s, so that its files load; of those from `author` on, nothing here depends.
const PLAYBOOK_KEYS: [&str; 14] = [
    "id",
    "name",
    "description",
    "version",
    "tags",
    "trigger",
    "enabled",
    "vars",
    "steps",
    "author",
    "created_at",
    "updated_at",
    "dry_run_support",
    "inputs",
];

/// Keys of a step.
const STEP_KEYS: [&str; 15] = [
    "id",
    "name",
    "description",
    "type",
    "params",
    "enabled",
    "when",
    "condition",
    "next_true",
    "next_false",
    "for_each",
    "concurrency",
    "on_failure",
    "retry_max",
    "timeout_seconds",
];

/// A step's time limit, in seconds.
const TIMEOUT: RangeInclusive<u64> = 1..=3_600;

/// Reads a playbook. All problems are reported, not the first only.
pub(super) fn playbook(document: Document, problems: Diagnostics) -> (Playbook, Diagnostics) {
    let mut read = Read {
        document: &document,
        problems,
        incomplete: false,
    };
    let parts = read.playbook();
    let incomplete = read.incomplete;
    let mut problems = read.problems;
    let mut found = Vec::new();
    let flow = Flow::of(&parts.steps, &document, &mut found);
    if !incomplete {
        problems.extend(found);
    }
    let playbook = Playbook {
        id: parts.id,
        name: parts.name,
        enabled: parts.enabled,
        vars: parts.vars,
        steps: parts.steps,
        flow,
        complete: !incomplete,
        checked: None,
        document,
    };
    (playbook, problems)
}

/// Reading, with the problems found so far.
struct Read<'d> {
    document: &'d Document,
    problems: Diagnostics,
    /// Whether a step could not be read, so that its place in the flow is not known.
    incomplete: bool,
}

struct Parts {
    id: Option<String>,
    name: Option<String>,
    enabled: bool,
    vars: Vars,
    steps: Vec<Step>,
}

impl Parts {
    fn of_steps(steps: Vec<Step>) -> Self {
        Self {
            id: None,
            name: None,
            enabled: true,
            vars: Vars::default(),
            steps,
        }
    }
}

impl Read<'_> {
    fn playbook(&mut self) -> Parts {
        let document = self.document;
        match document.value() {
            Value::Array(steps) => Parts::of_steps(self.steps(steps, "")),
            Value::Object(map) if map.contains_key("steps") => {
                self.unknown_keys(map, "", &PLAYBOOK_KEYS);
                let steps = if let Value::Array(steps) = &map["steps"] {
                    self.steps(steps, "/steps")
                } else {
                    self.value("/steps", Code::WrongType, "`steps` must be a list of steps");
                    Vec::new()
                };
                Parts {
                    id: self.text(map, "", "id"),
                    name: self.text(map, "", "name"),
                    enabled: self.flag(map, ""),
                    vars: self.vars(map),
                    steps,
                }
            }
            Value::Object(map) if map.contains_key("type") => {
                Parts::of_steps(self.step(map, String::new()).into_iter().collect())
            }
            _ => {
                self.no_playbook();
                Parts::of_steps(Vec::new())
            }
        }
    }

    fn no_playbook(&mut self) {
        let document = self.document;
        let problem = Diagnostic::error(Code::NoPlaybook, "this is not a playbook: there are no `steps`");
        let keys = document.value().as_object().into_iter().flat_map(Map::keys);
        let misspelt = nearest("steps", keys.map(String::as_str));
        self.problems.push(match misspelt {
            Some(key) => problem
                .at(document.key_place(&format!("/{}", escape_key(key))))
                .hint("did you mean `steps`?"),
            None if document.value().get("connector").is_some() => problem
                .at(document.key_place("/connector"))
                .hint("it is a connector file, which `playbook poll` and `playbook check` take"),
            None => problem.at(document.place("")).hint(
                "a playbook is a map with `steps`, a list of steps, or a single step with `id`, `type` and `params`",
            ),
        });
    }

    fn vars(&mut self, map: &Map<String, Value>) -> Vars {
        let declared = match map.get("vars") {
            None | Some(Value::Null) => return Vars::default(),
            Some(Value::Object(declared)) => declared,
            Some(_) => {
                self.value("/vars", Code::WrongType, "`vars` must be a map of names to defaults");
                return Vars::default();
            }
        };
        for (name, default) in declared {
            let pointer = format!("/vars/{}", escape_key(name));
            let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if !starts || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                let message = "a variable's name has letters, digits and `_`, and does not begin with a digit";
                self.key(&pointer, Code::InvalidValue, message);
            }
            if any_text(default, &render::is_template) {
                let template = Diagnostic::error(Code::InvalidValue, "a variable's default is no template")
                    .hint("write the value here, and join it with others where it is used");
                self.push(template, self.document.span(&pointer));
            }
        }
        Vars::declared(declared.clone())
    }

    fn steps(&mut self, items: &[Value], pointer: &str) -> Vec<Step> {
        if items.is_empty() {
            self.value(pointer, Code::NoSteps, "there are no steps");
        }
        let mut steps: Vec<Step> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let pointer = format!("{pointer}/{index}");
            let Some(map) = item.as_object() else {
                self.value(
                    &pointer,
                    Code::WrongType,
                    "a step must be a map with `id`, `type` and `params`",
                );
                self.incomplete = true;
                continue;
            };
            let Some(step) = self.step(map, pointer) else {
                self.incomplete = true;
                continue;
            };
            let first = steps
                .iter()
                .find(|earlier| earlier.id == step.id && !step.id.is_empty());
            if let Some(first) = first {
                let (first, again) = (format!("{}/id", first.pointer), format!("{}/id", step.pointer));
                let message = format!("there are two steps with the id `{}`", step.id);
                self.problems.push(
                    Diagnostic::error(Code::DuplicateStep, message)
                        .at(self.document.place(&again))
                        .label("given again here")
                        .related(self.document.place(&first), "first given here"),
                );
            }
            steps.push(step);
        }
        steps
    }

    fn step(&mut self, map: &Map<String, Value>, pointer: String) -> Option<Step> {
        let id = self.step_id(map, &pointer);
        let params = self.params(map, &pointer);
        let kind = self.text(map, &pointer, "type");
        let only_branches = kind.as_deref() == Some(CONDITION);
        let mut texts = Texts {
            document: self.document,
            inputs: Vec::new(),
            problems: Vec::new(),
        };
        let gate = texts.gate(map, &pointer);
        let items = texts.for_each(map, &pointer);
        let scope = match &items {
            Some(Items { untrusted, .. }) => Scope::Item { untrusted: *untrusted },
            None => Scope::Roots,
        };
        texts.templates(&Value::Object(params.clone()), &format!("{pointer}/params"), scope);
        let (inputs, problems) = (texts.inputs, texts.problems);
        let concurrency = self.number(map, &pointer, "concurrency", 1..=MOST_AT_ONCE as u64);
        let gated = is_present(map, "when") || is_present(map, "condition");
        self.meaningless_keys(map, &pointer, only_branches, gated);
        let step = Step {
            name: self.text(map, &pointer, "name"),
            params,
            enabled: self.flag(map, &pointer),
            gate,
            gated,
            next_true: self.text(map, &pointer, "next_true"),
            next_false: self.text(map, &pointer, "next_false"),
            on_failure: self.on_failure(map, &pointer),
            retry_max: self
                .number(map, &pointer, "retry_max", 0..=MOST_RETRIES.into())
                .map_or(0, |retries| retries as u32),
            timeout: self
                .number(map, &pointer, "timeout_seconds", TIMEOUT)
                .map(Duration::from_secs),
            for_each: items.map(|items| ForEach {
                items: items.value,
                concurrency: concurrency.map_or(1, |most| most as usize),
                untrusted: items.untrusted,
                pointer: format!("{pointer}/for_each"),
            }),
            inputs,
            problems,
            // Without an id there is a problem already; the rest is looked at all the same.
            id: id.unwrap_or_default(),
            kind: kind?,
            pointer,
        };
        Some(step)
    }

    fn step_id(&mut self, map: &Map<String, Value>, pointer: &str) -> Option<String> {
        self.unknown_keys(map, pointer, &STEP_KEYS);
        for key in ["id", "type"] {
            let misspelt =
                |found: &String| !STEP_KEYS.contains(&found.as_str()) && nearest(found, STEP_KEYS) == Some(key);
            if map.get(key).is_none_or(Value::is_null) && !map.keys().any(misspelt) {
                self.value(pointer, Code::MissingKey, &format!("the step has no `{key}`"));
            }
        }
        let id = self.text(map, pointer, "id");
        self.incomplete |= id.is_none();
        if let Some(id) = &id
            && (id.is_empty() || id.len() > 64 || !id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)))
        {
            self.value(
                &format!("{pointer}/id"),
                Code::InvalidValue,
                "an id has 1 to 64 letters, digits, `-`, `_` or `.`",
            );
        }
        id
    }

    fn params(&mut self, map: &Map<String, Value>, pointer: &str) -> Map<String, Value> {
        match map.get("params") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(params)) => params.clone(),
            Some(_) => {
                self.value(&format!("{pointer}/params"), Code::WrongType, "`params` must be a map");
                Map::new()
            }
        }
    }

    /// Reports keys that have no meaning beside the others.
    fn meaningless_keys(&mut self, map: &Map<String, Value>, pointer: &str, only_branches: bool, gated: bool) {
        if is_present(map, "next_false") && !gated {
            let diagnostic = Diagnostic::error(Code::BranchWithoutCondition, "`next_false` is never taken")
                .hint("the step has neither `condition` nor `when` that could be false");
            self.push(diagnostic, self.document.key_span(&format!("{pointer}/next_false")));
        }
        if only_branches && !gated {
            let message = "a step of the type `condition` needs a `condition`";
            self.value(pointer, Code::MissingKey, message);
        }
        if only_branches {
            let has_params = map
                .get("params")
                .and_then(Value::as_object)
                .is_some_and(|params| !params.is_empty());
            for (key, useless) in [("params", has_params), ("for_each", is_present(map, "for_each"))] {
                if useless {
                    let message = format!("a step of the type `condition` only branches: `{key}` has no meaning");
                    self.key(&format!("{pointer}/{key}"), Code::MeaninglessKey, &message);
                }
            }
        }
        if is_present(map, "concurrency") && !is_present(map, "for_each") {
            let message = "`concurrency` has no meaning without `for_each`";
            self.key(&format!("{pointer}/concurrency"), Code::MeaninglessKey, message);
        }
    }

    fn on_failure(&mut self, map: &Map<String, Value>, pointer: &str) -> OnFailure {
        match map.get("on_failure").map(Value::as_str) {
            None | Some(Some("abort")) => OnFailure::Abort,
            // AiSOC's `retry` retries as `retry_max` says, and then goes on.
            Some(Some("continue" | "retry")) => OnFailure::Continue,
            Some(found) => {
                let diagnostic = Diagnostic::error(Code::UnknownValue, "`on_failure` must be abort, continue or retry")
                    .maybe_hint(found.and_then(|found| suggestion(found, ["abort", "continue", "retry"])));
                self.push(diagnostic, self.document.span(&format!("{pointer}/on_failure")));
                OnFailure::Abort
            }
        }
    }

    fn unknown_keys(&mut self, map: &Map<String, Value>, pointer: &str, known: &[&'static str]) {
        let problems = unknown_keys(self.document, map, pointer, known);
        self.problems.extend(problems);
    }

    fn text(&mut self, map: &Map<String, Value>, pointer: &str, key: &str) -> Option<String> {
        match map.get(key)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => {
                self.value(
                    &format!("{pointer}/{key}"),
                    Code::WrongType,
                    &format!("`{key}` must be a text"),
                );
                None
            }
        }
    }

    fn flag(&mut self, map: &Map<String, Value>, pointer: &str) -> bool {
        match map.get("enabled") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(enabled)) => *enabled,
            Some(_) => {
                let problem = Diagnostic::error(Code::WrongType, "`enabled` must be true or false")
                    .hint("write `true` or `false`, without quotes; `yes`, `no`, `on` and `off` are texts");
                self.push(problem, self.document.span(&format!("{pointer}/enabled")));
                true
            }
        }
    }

    /// A whole number. One that is out of range is a problem, never moved into it.
    fn number(
        &mut self,
        map: &Map<String, Value>,
        pointer: &str,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = map.get(key).filter(|value| !value.is_null())?;
        let (least, most) = (range.start(), range.end());
        let (code, found) = match value {
            Value::Number(number) => match number.as_u64().filter(|number| range.contains(number)) {
                Some(number) => return Some(number),
                None => (Code::OutOfRange, format!(", and is {number}")),
            },
            _ => (Code::WrongType, String::new()),
        };
        let message = format!("`{key}` must be a whole number from {least} to {most}{found}");
        self.value(&format!("{pointer}/{key}"), code, &message);
        None
    }

    fn value(&mut self, pointer: &str, code: Code, message: &str) {
        self.push(Diagnostic::error(code, message), self.document.span(pointer));
    }

    fn key(&mut self, pointer: &str, code: Code, message: &str) {
        self.push(Diagnostic::error(code, message), self.document.key_span(pointer));
    }

    fn push(&mut self, diagnostic: Diagnostic, span: std::ops::Range<usize>) {
        self.problems
            .push(diagnostic.at(Place::bytes(self.document.source().clone(), span)));
    }
}

/// Keys that nobody knows.
pub(super) fn unknown_keys(
    document: &Document,
    map: &Map<String, Value>,
    pointer: &str,
    known: &[&'static str],
) -> Vec<Diagnostic> {
    // A merge key was complained about when the document was read.
    let unknown = map.keys().filter(|key| !known.contains(&key.as_str()) && *key != "<<");
    let problems = unknown.map(|key| {
        let hint = suggestion(key, known.iter().copied()).map(|hint| match hint {
            hint if known == STEP_KEYS && !hint.ends_with('?') => {
                format!("{hint}; what the type of step needs belongs under `params`")
            }
            hint => hint,
        });
        Diagnostic::error(Code::UnknownKey, format!("unknown key `{}`", cut(key)))
            .at(document.key_place(&format!("{pointer}/{}", escape_key(key))))
            .maybe_hint(hint)
    });
    problems.collect()
}

/// Whether a key is there with a value.
fn is_present(map: &Map<String, Value>, key: &str) -> bool {
    map.get(key).is_some_and(|value| !value.is_null())
}
