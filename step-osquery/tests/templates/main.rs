//! The allowlist: what it accepts, what its statements mean, and that the params schema says the same.

mod host;
mod meaning;
mod schema;
mod shape;
mod strategies;
mod values;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use step_osquery::template::{ParamKind, Template, TemplateError};

/// The moment at which all tests render.
fn now() -> Timestamp {
    "2026-02-01T12:00:00Z".parse().expect("a timestamp")
}

/// Renders a template with the given params (a JSON object).
fn render(template: &str, params: Value) -> Result<String, TemplateError> {
    let Value::Object(params) = params else {
        panic!("params are an object")
    };
    let sql = Template::named(template)?.render(&params, now())?;
    Ok(sql.as_str().to_owned())
}

/// Values for the params that have no default.
fn required(template: &Template) -> Map<String, Value> {
    let missing = template.params().iter().filter(|param| param.default().is_none());
    missing
        .map(|param| {
            let value = match param.kind() {
                ParamKind::Integer { min, .. } => json!(min),
                ParamKind::Time { .. } => json!("24h"),
                ParamKind::Path { .. } => json!("/var/log"),
            };
            (param.name().to_owned(), value)
        })
        .collect()
}
