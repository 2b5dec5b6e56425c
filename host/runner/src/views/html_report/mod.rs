//! A run as one self-contained page for people: no network, and no script needed to read it.
//!
//! Everything in a report may come from monitored machines. It is made visible, then escaped by the template engine, and
//! should both fail, the page's policy lets nothing run or load but its own style and script, which it knows by hash.

#[cfg(test)]
mod tests;
mod view;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use sha2::{Digest as _, Sha256};

use crate::run::report::RunReport;
use crate::views::html_report::view::Page;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The run as an HTML page: the steps in time, what became of each, and its result with a table for each host.
///
/// The script only adds searching and sorting. A page is as private as the results in it.
pub fn html_report(report: &RunReport) -> String {
    let mut environment = Environment::empty();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
    // What is between the tags is what is hashed.
    let (style, script) = (format!("\n{STYLE}"), format!("\n{SCRIPT}"));
    let page = context! {
        page => Value::from(Serde(Page::of(report))),
        policy => format!(
            "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
            source(&style),
            source(&script)
        ),
        style => Value::from_safe_string(style),
        script => Value::from_safe_string(script),
        generator => concat!("playbook ", env!("CARGO_PKG_VERSION")),
    };
    environment
        .render_str(TEMPLATE, page)
        .expect("the template only uses what the view has")
}

/// How a policy names a text.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}
