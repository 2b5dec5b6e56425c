//! The exported interface `step`.

use serde_json::{Map, Value};

use super::bindings::Component;
use super::bindings::exports::playbook::plugin::step as wit;
use super::bindings::playbook::plugin::types;
use super::host_services::HostServices;
use super::panics::report_panics;
use crate::contract::{Failure, FailureKind, Services as _};
use crate::exports::step;
use crate::template::Template;

impl wit::Guest for Component {
    async fn describe() -> Vec<wit::StepType> {
        report_panics();
        vec![wit::StepType {
            name: step::NAME.into(),
            summary: step::SUMMARY.into(),
            params_schema: step::PARAMS_SCHEMA.into(),
            result_schema: step::RESULT_SCHEMA.into(),
            accounting: Some(wit::Accounting {
                targets: step::TARGETS.into(),
                entries: step::ENTRIES.into(),
                failures: step::FAILURES.into(),
                unanswered: step::UNANSWERED.into(),
                partial: step::PARTIAL.into(),
            }),
            templates: Template::all().map(describe_template).collect(),
        }]
    }

    async fn render_template(step_type: String, template: String, params: String) -> Result<String, types::Failure> {
        report_panics();
        known(&step_type)?;
        let params: Map<String, Value> = serde_json::from_str(&params).map_err(|_| {
            Failure::new(
                FailureKind::InvalidParams,
                "the template's params are not a JSON object",
            )
        })?;
        let template = Template::named(&template).map_err(Failure::from)?;
        let sql = template.render(&params, HostServices.now()).map_err(Failure::from)?;
        Ok(sql.as_str().to_owned())
    }

    async fn check(step_type: String, params: String) -> Result<Vec<types::Finding>, types::Failure> {
        report_panics();
        known(&step_type)?;
        let found = step::check(&HostServices, &params).await?;
        Ok(found.into_iter().map(types::Finding::from).collect())
    }

    async fn run(step_type: String, params: String) -> Result<wit::Outcome, types::Failure> {
        report_panics();
        known(&step_type)?;
        let outcome = step::run(&HostServices, &params).await?;
        let notes = outcome
            .notes
            .into_iter()
            .map(|(subject, text)| wit::Note { subject, text });
        Ok(wit::Outcome {
            // All of it was published.
            result: "{}".into(),
            partial: false,
            notes: notes.collect(),
        })
    }
}

/// Fails if this plugin does not have the step type.
fn known(step_type: &str) -> Result<(), Failure> {
    if step_type == step::NAME {
        return Ok(());
    }
    let name: String = step_type.chars().take(100).collect();
    Err(Failure::new(
        FailureKind::NotFound,
        format!("this plugin has no step type `{name}`"),
    ))
}

fn describe_template(template: &Template) -> wit::Template {
    wit::Template {
        name: template.name().into(),
        summary: template.summary().into(),
        text: template.text().into(),
        params: template
            .params()
            .iter()
            .map(|param| wit::TemplateParam {
                name: param.name().into(),
                accepts: param.accepts(),
                default_value: param.default().map(|value| value.to_string()),
                summary: param.summary().into(),
            })
            .collect(),
        platforms: template.platforms().to_vec(),
        columns: template.columns().to_vec(),
    }
}
