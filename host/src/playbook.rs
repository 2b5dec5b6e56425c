//! The playbook file.

use serde_json::{Map, Value};

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Place, cut, nearest, suggestion};
use crate::document::{Document, escape_key};
use crate::params::each_text;
use crate::render::{self, Problem};
use crate::source::Source;

/// Keys of a playbook. Names are `AiSOC`'s, so that its files load.
const PLAYBOOK_KEYS: [&str; 8] = [
    "id",
    "name",
    "description",
    "version",
    "tags",
    "trigger",
    "enabled",
    "steps",
];

/// Keys of a step.
const STEP_KEYS: [&str; 12] = [
    "id",
    "name",
    "description",
    "type",
    "params",
    "enabled",
    "on_failure",
    "retry_max",
    "timeout_seconds",
    "condition",
    "next_true",
    "next_false",
];

/// Keys that `AiSOC` has and this version does not act upon. Ignoring one would change what a playbook does.
const UNSUPPORTED: [&str; 4] = ["condition", "next_true", "next_false", "retry_max"];

/// A parsed playbook, ready to be prepared for a run.
#[derive(Debug, Clone)]
pub struct Playbook {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) document: Document,
}

/// One step.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) kind: String,
    pub(crate) params: Map<String, Value>,
    pub(crate) enabled: bool,
    pub(crate) on_failure: OnFailure,
    /// Where the step stands in the document, as a JSON pointer.
    pub(crate) pointer: String,
}

/// What a failed step means for the steps after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OnFailure {
    /// They are skipped.
    #[default]
    Abort,
    /// They run; the run still ends as failed.
    Continue,
}

impl Playbook {
    /// Reads a playbook: a map with `steps`, a bare list of steps, or a single step.
    ///
    /// `name` is what messages call the text. All problems are reported, not the first only.
    pub fn parse(name: &str, text: &str) -> Result<Self, Diagnostics> {
        let (document, problems) = Document::parse(Source::new(name, text))?;
        let (playbook, problems) = Self::read(document, problems);
        problems.or(playbook)
    }

    /// What could be read, and its problems besides those of the document; with any it is not fit to be run.
    pub(crate) fn read(document: Document, problems: Diagnostics) -> (Self, Diagnostics) {
        let mut read = Read {
            document: &document,
            problems,
        };
        let (id, name, enabled, steps) = read.playbook();
        read.step_references(&steps);
        let problems = read.problems;
        let playbook = Self {
            id,
            name,
            enabled,
            steps,
            document,
        };
        (playbook, problems)
    }

    /// Its id, if it has one.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The ids of its steps, in order.
    pub fn step_ids(&self) -> impl Iterator<Item = &str> + Clone {
        self.steps.iter().map(|step| step.id.as_str())
    }
}

/// Reading, with the problems found so far.
struct Read<'d> {
    document: &'d Document,
    problems: Diagnostics,
}

type Parts = (Option<String>, Option<String>, bool, Vec<Step>);

impl Read<'_> {
    fn playbook(&mut self) -> Parts {
        let document = self.document;
        match document.value() {
            Value::Array(steps) => (None, None, true, self.steps(steps, "")),
            Value::Object(map) if map.contains_key("steps") => {
                self.unknown_keys(map, "", &PLAYBOOK_KEYS);
                let steps = if let Value::Array(steps) = &map["steps"] {
                    self.steps(steps, "/steps")
                } else {
                    self.value("/steps", Code::WrongType, "`steps` must be a list of steps");
                    Vec::new()
                };
                (
                    self.text(map, "", "id"),
                    self.text(map, "", "name"),
                    self.flag(map, ""),
                    steps,
                )
            }
            Value::Object(map) if map.contains_key("type") => {
                (None, None, true, self.step(map, String::new()).into_iter().collect())
            }
            _ => {
                self.no_playbook();
                (None, None, true, Vec::new())
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
                continue;
            };
            let Some(step) = self.step(map, pointer) else { continue };
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
        self.unknown_keys(map, &pointer, &STEP_KEYS);
        for key in UNSUPPORTED {
            let neutral = matches!(map.get(key), None | Some(Value::Null)) || (key == "retry_max" && map[key] == 0);
            if !neutral {
                self.key(
                    &format!("{pointer}/{key}"),
                    Code::Unsupported,
                    &format!("`{key}` is not supported yet"),
                );
            }
        }
        for key in ["id", "type"] {
            let misspelt =
                |found: &&String| !STEP_KEYS.contains(&found.as_str()) && nearest(found, STEP_KEYS) == Some(key);
            if map.get(key).is_none_or(Value::is_null) && !map.keys().any(|found| misspelt(&found)) {
                self.value(&pointer, Code::MissingKey, &format!("the step has no `{key}`"));
            }
        }
        let id = self.text(map, &pointer, "id");
        if let Some(id) = &id
            && (id.is_empty() || id.len() > 64 || !id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)))
        {
            self.value(
                &format!("{pointer}/id"),
                Code::InvalidValue,
                "an id has 1 to 64 letters, digits, `-`, `_` or `.`",
            );
        }
        let params = match map.get("params") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(params)) => params.clone(),
            Some(_) => {
                self.value(&format!("{pointer}/params"), Code::WrongType, "`params` must be a map");
                Map::new()
            }
        };
        self.templates(&Value::Object(params.clone()), &format!("{pointer}/params"));
        let kind = self.text(map, &pointer, "type");
        let name = self.text(map, &pointer, "name");
        let (enabled, on_failure) = (self.flag(map, &pointer), self.on_failure(map, &pointer));
        if map.get("timeout_seconds").is_some_and(|value| !value.is_null()) {
            let diagnostic = Diagnostic::error(Code::Unsupported, "`timeout_seconds` of a step is not supported yet")
                .hint("set `timeout_seconds` among the step's params");
            self.push(
                diagnostic,
                self.document.key_span(&format!("{pointer}/timeout_seconds")),
            );
        }
        // Without an id there is a problem already; the params are looked at all the same.
        Some(Step {
            id: id.unwrap_or_default(),
            kind: kind?,
            name,
            params,
            enabled,
            on_failure,
            pointer,
        })
    }

    fn on_failure(&mut self, map: &Map<String, Value>, pointer: &str) -> OnFailure {
        match map.get("on_failure").map(Value::as_str) {
            None | Some(Some("abort")) => OnFailure::Abort,
            // AiSOC's `retry` retries as `retry_max` says, which is 0 here, and then goes on.
            Some(Some("continue" | "retry")) => OnFailure::Continue,
            Some(found) => {
                let diagnostic = Diagnostic::error(Code::UnknownValue, "`on_failure` must be abort, continue or retry")
                    .maybe_hint(found.and_then(|found| suggestion(found, ["abort", "continue", "retry"])));
                self.push(diagnostic, self.document.span(&format!("{pointer}/on_failure")));
                OnFailure::Abort
            }
        }
    }

    /// Checks every template below a pointer.
    fn templates(&mut self, value: &Value, pointer: &str) {
        each_text(value, pointer, &mut |pointer, text| {
            for problem in render::check(text).err().unwrap_or_default() {
                self.problems.push(locate(self.document, pointer, problem));
            }
        });
    }

    /// Checks that the steps exist that templates name.
    fn step_references(&mut self, steps: &[Step]) {
        let ids = steps.iter().map(|step| step.id.as_str());
        for step in steps {
            let params = Value::Object(step.params.clone());
            each_text(&params, &format!("{}/params", step.pointer), &mut |pointer, text| {
                let named = render::check(text).map(|seen| seen.steps).unwrap_or_default();
                for (name, range) in named.into_iter().filter(|(name, _)| !ids.clone().any(|id| id == name)) {
                    self.problems.push(locate(
                        self.document,
                        pointer,
                        Problem {
                            range,
                            code: Code::UnknownStep,
                            message: format!("there is no step `{name}`"),
                            hint: suggestion(&name, ids.clone()),
                        },
                    ));
                }
            });
        }
    }

    fn unknown_keys(&mut self, map: &Map<String, Value>, pointer: &str, known: &[&'static str]) {
        // A merge key was complained about when the document was read.
        for key in map.keys().filter(|key| !known.contains(&key.as_str()) && *key != "<<") {
            let hint = suggestion(key, known.iter().copied()).map(|hint| match hint {
                hint if known == STEP_KEYS && !hint.ends_with('?') => {
                    format!("{hint}; what the type of step needs belongs under `params`")
                }
                hint => hint,
            });
            let diagnostic =
                Diagnostic::error(Code::UnknownKey, format!("unknown key `{}`", cut(key))).maybe_hint(hint);
            self.push(
                diagnostic,
                self.document.key_span(&format!("{pointer}/{}", escape_key(key))),
            );
        }
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

/// A template's problem as a diagnostic, pointing inside the text at `pointer`.
pub(crate) fn locate(document: &Document, pointer: &str, problem: Problem) -> Diagnostic {
    let place = Place::bytes(document.source().clone(), document.span_within(pointer, problem.range));
    Diagnostic::error(problem.code, problem.message)
        .at(place)
        .maybe_hint(problem.hint)
}
