//! The names that stand in outputs whatever secrets there are.

use serde_json::Value;

use crate::language::playbook::Playbook;
use crate::language::render;
use crate::language::step::Step;
use crate::runner::Runner;
use crate::sandbox::step_type::StepType;
use crate::secrets::names_of_schema;
use crate::text::json::each_text;
use crate::text::schema::Role;

impl Runner {
    /// What the author of a playbook, and the plugins behind its steps, call things.
    pub(crate) fn names(&self, playbook: &Playbook) -> Vec<String> {
        let mut names: Vec<String> = [playbook.id(), playbook.name()]
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect();
        names.extend(playbook.vars.names().into_iter().flatten().map(str::to_owned));
        for step in &playbook.steps {
            names.extend([step.id.clone(), step.kind.clone()]);
            names.extend(step.name.clone());
            keys(&Value::Object(step.params.clone()), &mut names);
            if let Some((_, step_type)) = self.provider(&step.kind) {
                of_step_type(step_type, &mut names);
                targets(step, step_type, &mut names);
            }
        }
        names
    }
}

fn of_step_type(step_type: &StepType, names: &mut Vec<String>) {
    names_of_schema(step_type.params.document(), names);
    names_of_schema(step_type.result.document(), names);
    for template in &step_type.templates {
        names.push(template.name.clone());
        names.extend(template.columns.iter().chain(&template.platforms).cloned());
        names.extend(template.params.iter().map(|param| param.name.clone()));
    }
}

/// The targets that an author wrote.
fn targets(step: &Step, step_type: &StepType, names: &mut Vec<String>) {
    let targets = step_type
        .params
        .role(Role::Targets)
        .and_then(|param| step.params.get(param));
    if let Some(targets) = targets {
        each_text(targets, "", &mut |_, text| {
            if !render::is_template(text) {
                names.push(text.to_owned());
            }
        });
    }
}

/// The names of all that is in a value.
pub(crate) fn keys(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            names.extend(map.keys().cloned());
            map.values().for_each(|value| keys(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, names)),
        _ => {}
    }
}
