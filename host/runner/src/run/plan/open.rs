//! The params of a step that waits for earlier results, as far as they are known.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::OpenParam;
use crate::language::params::Written;
use crate::language::render::{Mentions, Renderer};
use crate::language::step::Step;
use crate::text::diagnostic::Diagnostic;
use crate::text::json::escape_key;

/// Params of which some are not known.
pub(super) struct Partial {
    /// The known values, and the others as they are written.
    pub(super) value: Value,
    pub(super) open: Vec<OpenParam>,
}

/// Which texts of a step wait for something, and for what.
struct Waiting<'s> {
    step: &'s Step,
    /// For what the items of its list wait, if they do.
    items: Option<Vec<String>>,
}

impl Partial {
    /// Renders and validates what can be. `items` is what the step's list waits for, if it does.
    pub(super) fn render(
        step: &Step,
        written: &Written<'_>,
        renderer: &Renderer,
        items: Option<Vec<String>>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let waiting = Some(Waiting { step, items });
        let mut problems = Vec::new();
        let mut open: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut values = Map::new();
        for (param, value) in written.values {
            let pointer = format!("{}/{}", written.pointer, escape_key(param));
            // What no result may fill waits for none.
            let waiting = waiting.as_ref().filter(|_| written.is_open_to_data(param));
            let needs = |pointer: &str| waiting.and_then(|waiting| waiting.below(pointer));
            if let Some(needs) = needs(&pointer) {
                open.insert(param.clone(), needs);
            }
            let known = |pointer: &str| needs(pointer).is_none();
            let value = written.render_known(param, value, &pointer, renderer, known, &mut problems);
            values.insert(param.clone(), value);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let value = Value::Object(values);
        // What the schema says of a value that is not known yet, or of the whole that it is part of, does not count.
        let known = |pointer: &str| {
            let param = pointer.split('/').nth(1).unwrap_or_default();
            !param.is_empty() && !open.keys().any(|open| escape_key(open) == param)
        };
        let problems = written.schema.validate(&value).into_iter();
        let problems: Vec<_> = problems
            .filter(|problem| known(&problem.pointer))
            .map(|problem| written.place_rendered(problem, &value, renderer))
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let open = open.into_iter().map(|(param, needs)| OpenParam { param, needs });
        Ok(Self {
            value,
            open: open.collect(),
        })
    }
}

impl Waiting<'_> {
    /// What the texts at and below a pointer wait for; none if they wait for nothing.
    fn below(&self, pointer: &str) -> Option<Vec<String>> {
        let inputs = self.step.inputs.iter();
        let here = inputs.filter(|(at, _)| {
            at.strip_prefix(pointer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        let needs: Vec<Vec<String>> = here.filter_map(|(_, mentions)| self.needs(mentions)).collect();
        (!needs.is_empty()).then(|| unique(needs.into_iter().flatten()))
    }

    fn needs(&self, mentions: &Mentions) -> Option<Vec<String>> {
        let item = ["item", "item_index"].iter().any(|name| mentions.roots.contains(*name));
        let items = self.items.as_ref().filter(|_| item);
        if items.is_none() && !mentions.needs_results() {
            return None;
        }
        Some(unique(results(mentions).chain(items.into_iter().flatten().cloned())))
    }
}

/// The steps whose results a template names.
pub(super) fn results(mentions: &Mentions) -> impl Iterator<Item = String> {
    mentions.steps.iter().map(|mention| mention.name.clone())
}

/// The steps whose results templates wait for, if they do; none either if one of them does not tell which.
pub(super) fn names<'m>(mentions: impl Iterator<Item = &'m Mentions>) -> Option<Vec<String>> {
    let waiting: Vec<&Mentions> = mentions.filter(|mentions| mentions.needs_results()).collect();
    let told = !waiting.is_empty() && waiting.iter().all(|mentions| !mentions.steps.is_empty());
    told.then(|| unique(waiting.into_iter().flat_map(results)))
}

/// Each name once, in the order in which they come.
pub(super) fn unique(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}
