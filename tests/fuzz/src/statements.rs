//! Statements: those that the allowlist renders, and those that servers have.

use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlparser::ast::Statement;
use sqlparser::dialect::SQLiteDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};
use step_osquery::exports::step::Params;
use step_osquery::osquery::tables;
use step_osquery::template::{ParamKind, Template};

/// The moment that durations count back from.
const NOW: Timestamp = Timestamp::constant(1_784_462_400, 0);

/// A template's name on a line, and its params as JSON. Whatever they are, the statement keeps the template's shape.
pub fn template_params(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (name, params) = text.split_once('\n').unwrap_or((text, "{}"));
    let (Ok(template), Ok(params)) = (
        Template::named(name),
        serde_json::from_str::<Map<String, Value>>(params),
    ) else {
        return;
    };
    match template.render(&params, NOW) {
        Ok(sql) => keeps_the_shape(template, sql.as_str()),
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error}"),
    }
}

/// The whole params of a step.
pub fn params(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Params::parse(text, NOW) {
        Ok(params) => {
            assert!(
                !params.question.targets.names().is_empty(),
                "an empty list is never all hosts"
            );
            assert!(
                params
                    .question
                    .targets
                    .names()
                    .iter()
                    .all(|name| !name.trim().is_empty())
            );
            assert!(
                params.question.base_url.path("/x").starts_with('/'),
                "{:?}",
                params.question.base_url
            );
            let fits = |template: &Template| shape(&plain(template)) == shape(params.question.sql.as_str());
            assert!(Template::all().any(fits), "{}", params.question.sql);
        }
        Err(failure) => {
            let said = failure.message + failure.hint.as_deref().unwrap_or_default();
            assert!(!said.contains(char::is_control), "{said:?}");
            assert!(said.len() < 4_096, "{said}");
        }
    }
}

/// A statement of a server. The tables that it reads are named once each, and none is made up.
pub fn sql_tables(data: &[u8]) {
    let Ok(sql) = std::str::from_utf8(data) else { return };
    let Ok(tables) = tables(sql) else { return };
    let folded = sql.to_lowercase();
    for (index, table) in tables.iter().enumerate() {
        assert!(!tables[..index].contains(table), "{table} twice");
        // Quotes in quoted names are doubled in the statement.
        assert!(
            table.contains(['"', '`', '\'', ']']) || folded.contains(table.as_str()),
            "{table}"
        );
    }
}

fn keeps_the_shape(template: &Template, sql: &str) {
    assert_eq!(shape(&plain(template)), shape(sql), "{sql}");
    assert!(!sql.contains(|c: char| c.is_control() && c != '\n'), "{sql:?}");
}

/// What a template gives with its defaults.
fn plain(template: &Template) -> String {
    let template = Template::named(template.name()).expect("it is in the allowlist");
    let missing = template.params().iter().filter(|param| param.default().is_none());
    let params = missing.map(|param| {
        let value = match param.kind() {
            ParamKind::Integer { min, .. } => Value::from(*min),
            ParamKind::Time { .. } => Value::from("1h"),
            ParamKind::Path { .. } => Value::from("/tmp"),
        };
        (param.name().to_owned(), value)
    });
    let sql = template.render(&params.collect(), NOW);
    sql.expect("these are accepted").as_str().to_owned()
}

/// The parse tree with every literal replaced by the same one of its kind, in the token stream: a value that became more
/// than one token, or another kind of token, changes the tree.
fn shape(sql: &str) -> Vec<Statement> {
    let dialect = SQLiteDialect {};
    let mut tokens = Tokenizer::new(&dialect, sql)
        .tokenize()
        .expect("a statement is made of tokens");
    for token in &mut tokens {
        match token {
            Token::Number(digits, _) => "0".clone_into(digits),
            Token::SingleQuotedString(text) => text.clear(),
            _ => {}
        }
    }
    let mut parser = Parser::new(&dialect).with_tokens(tokens);
    parser.parse_statements().expect("a statement can be read")
}
