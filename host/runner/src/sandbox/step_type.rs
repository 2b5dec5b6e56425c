//! Steps as plugins describe them.

use serde_json::Value;

use crate::sandbox::accounting::Accounting;
use crate::sandbox::bindings::exports::playbook::plugin::step as wit;
use crate::sandbox::described::{check_line, check_names, check_text};
use crate::text::schema::{Schema, SchemaReader};

/// A kind of step that a plugin provides.
#[derive(Debug)]
#[non_exhaustive]
pub struct StepType {
    /// What playbooks write in `type`.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// The schema of its params.
    pub params: Schema,
    /// The schema of its result.
    pub result: Schema,
    /// How its result accounts for its targets, if it has any.
    pub accounting: Option<Accounting>,
    /// Its allowlist.
    pub templates: Vec<Template>,
}

/// An entry of a step type's allowlist: a vetted text with typed parameters.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct Template {
    /// What params refer to.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// The text, with `{param}` where parameters go.
    pub text: String,
    /// The parameters.
    pub params: Vec<TemplateParam>,
    /// Where it works.
    pub platforms: Vec<String>,
    /// The columns of a result row.
    pub columns: Vec<String>,
}

/// A parameter of a template.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct TemplateParam {
    /// Its name.
    pub name: String,
    /// What it accepts, in words.
    pub accepts: String,
    /// The value used when none is given.
    pub default: Option<Value>,
    /// One line for people.
    pub summary: String,
}

impl StepType {
    /// All that a plugin describes.
    pub(crate) fn parse_all(described: Vec<wit::StepType>, schema: SchemaReader) -> Result<Vec<Self>, String> {
        check_names("step type", described.iter().map(|one| one.name.as_str()))?;
        described.into_iter().map(|one| Self::parse(one, schema)).collect()
    }

    fn parse(described: wit::StepType, schema: SchemaReader) -> Result<Self, String> {
        check_line(&described.name, &described.summary)?;
        check_names("template", described.templates.iter().map(|one| one.name.as_str()))?;
        let read = |what: &str, text: &str| {
            check_text(&format!("the {what} schema of `{}`", described.name), text)?;
            let value = serde_json::from_str(text)
                .map_err(|e| format!("the {what} schema of `{}` is not JSON: {e}", described.name))?;
            schema(value).map_err(|e| format!("the {what} schema of `{}` is not a JSON Schema: {e}", described.name))
        };
        let params = read("params", &described.params_schema)?;
        params.check_annotations(&described.name)?;
        let result = read("result", &described.result_schema)?;
        let accounting = described
            .accounting
            .map(|one| Accounting::parse(one, &params, &result, schema));
        let accounting = accounting
            .transpose()
            .map_err(|why| format!("of `{}`: {why}", described.name))?;
        let templates = described
            .templates
            .into_iter()
            .map(Template::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            name: described.name,
            summary: described.summary,
            params,
            result,
            accounting,
            templates,
        })
    }
}

impl Template {
    fn parse(described: wit::Template) -> Result<Self, String> {
        check_line(&described.name, &described.summary)?;
        check_text(&format!("the template `{}`", described.name), &described.text)?;
        check_names("template param", described.params.iter().map(|one| one.name.as_str()))?;
        check_names("platform", described.platforms.iter().map(String::as_str))?;
        check_names("column", described.columns.iter().map(String::as_str))?;
        let params = described.params.into_iter().map(|param| {
            check_line(&param.name, &param.summary)?;
            check_line(&param.name, &param.accepts)?;
            let default = param
                .default_value
                .map(|text| serde_json::from_str(&text))
                .transpose()
                .map_err(|e| format!("the default of template param `{}` is not JSON: {e}", param.name))?;
            Ok(TemplateParam {
                name: param.name,
                accepts: param.accepts,
                default,
                summary: param.summary,
            })
        });
        Ok(Self {
            params: params.collect::<Result<_, String>>()?,
            name: described.name,
            summary: described.summary,
            text: described.text,
            platforms: described.platforms,
            columns: described.columns,
        })
    }
}
