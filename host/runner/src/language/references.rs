//! What the templates and conditions of a step refer to: other steps, and variables.

use std::ops::Range;

use crate::language::playbook::Playbook;
use crate::text::diagnostic::{Code, Diagnostic, Place, suggestion};

/// What templates see of a step.
const OF_A_STEP: [&str; 2] = ["result", "status"];

/// References to steps that there are not, or that cannot have run before this one.
pub(crate) fn check_steps(playbook: &Playbook, at: usize) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (pointer, mentions) in playbook.steps[at].mentions() {
        for mention in &mentions.steps {
            let name = &mention.name;
            let problem =
                |code, message| Diagnostic::error(code, message).at(place(playbook, pointer, mention.range.clone()));
            let Some(other) = playbook.steps.iter().position(|step| step.id == *name) else {
                problems.push(
                    problem(Code::UnknownStep, format!("there is no step `{name}`"))
                        .maybe_hint(suggestion(name, playbook.step_ids())),
                );
                continue;
            };
            if other == at || !playbook.flow.leads(other, at) {
                problems.push(
                    problem(Code::LaterStep, format!("the step `{name}` never runs before this one"))
                        .hint("only the results of earlier steps are there"),
                );
                continue;
            }
            if let Some((attribute, range)) = &mention.attribute
                && !OF_A_STEP.contains(&attribute.as_str())
            {
                let message = format!("`steps.{name}.{attribute}` is not defined");
                problems.push(
                    Diagnostic::error(Code::UndefinedVariable, message)
                        .at(place(playbook, pointer, range.clone()))
                        .maybe_hint(suggestion(attribute, OF_A_STEP)),
                );
            }
        }
    }
    problems
}

/// References to variables other than these.
pub(crate) fn check_vars(playbook: &Playbook, at: usize, known: &[&str]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (pointer, mentions) in playbook.steps[at].mentions() {
        let unknown = |name: &str| !known.contains(&name);
        for mention in mentions
            .vars
            .iter()
            .filter(|mention| !mention.guarded && unknown(&mention.name))
        {
            let name = &mention.name;
            let hint =
                suggestion(name, known.iter().copied()).unwrap_or_else(|| format!("give it with `--var {name}=…`"));
            problems.push(
                Diagnostic::error(Code::UndefinedVariable, format!("`vars.{name}` is not defined"))
                    .at(place(playbook, pointer, mention.range.clone()))
                    .hint(hint),
            );
        }
    }
    problems
}

fn place(playbook: &Playbook, pointer: &str, range: Range<usize>) -> Place {
    let document = &playbook.document;
    Place::bytes(document.source().clone(), document.span_within(pointer, range))
}
