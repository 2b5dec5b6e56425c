//! Whatever the params, a statement keeps the shape of its template and runs.

use proptest::prelude::*;
use sqlparser::{
    ast::Statement,
    dialect::SQLiteDialect,
    parser::Parser,
    tokenizer::{Token, Tokenizer},
};
use step_osquery::template::{ParamKind, Template, TemplateError};

use crate::{host::Host, now, required, strategies::template_and_params};

/// The parse tree of a text with every literal replaced by the same one of its kind. The literals are replaced in the
/// token stream, before parsing: that reaches those that the tree keeps outside of expressions too, and a value that
/// became more than one token, or another kind of token, still changes the tree.
fn shape(sql: &str) -> Vec<Statement> {
    let dialect = SQLiteDialect {};
    let mut tokens = Tokenizer::new(&dialect, sql)
        .tokenize()
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
    for token in &mut tokens {
        match token {
            Token::Number(digits, _) => "0".clone_into(digits),
            Token::SingleQuotedString(text) => text.clear(),
            _ => {}
        }
    }
    let mut parser = Parser::new(&dialect).with_tokens(tokens);
    parser
        .parse_statements()
        .unwrap_or_else(|error| panic!("{error}: {sql}"))
}

#[test]
fn the_comparison_of_shapes_tells_statements_apart() {
    let shape_of = |condition: &str| shape(&format!("SELECT pid FROM processes WHERE name = {condition} LIMIT 1"));
    assert_eq!(shape_of("'a'"), shape_of("'b--c;'"));
    for other in ["'a' OR 1", "'a' || 'b'", "1", "-1", "x'00'", "\"a\"", "'a'; SELECT 1"] {
        assert_ne!(shape_of("'a'"), shape_of(other), "{other}");
    }
}

#[test]
fn every_template_is_one_statement() {
    for template in Template::all() {
        let sql = template
            .render(&required(template), now())
            .expect("defaults are accepted");
        assert_eq!(shape(sql.as_str()).len(), 1, "{}", template.name());
    }
}

#[test]
fn nothing_that_ends_a_literal_is_accepted_in_one() {
    let hostile = [
        "/tmp/a'b",
        "/tmp/' OR 1=1 OR path LIKE '/",
        "/tmp/''",
        "/tmp/\"",
        "/tmp/`",
        "/tmp/a;b",
        "/tmp/a\0b",
        "/tmp/a\nb",
        "/tmp/%",
        "/tmp/../etc",
    ];
    let mut tried = 0;
    for template in Template::all() {
        for param in template.params() {
            for text in hostile {
                let mut params = required(template);
                params.insert(param.name().to_owned(), text.into());
                assert!(template.render(&params, now()).is_err(), "{}: {text}", template.name());
                tried += usize::from(matches!(param.kind(), ParamKind::Path { .. }));
            }
        }
    }
    assert!(tried >= 2 * hostile.len(), "there are templates with paths");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_params_are_refused_with_reason_or_keep_the_shape((template, params) in template_and_params()) {
        thread_local!(static HOST: Host = Host::new());
        match template.render(&params, now()) {
            Ok(sql) => {
                let plain = template.render(&required(template), now()).expect("defaults are accepted");
                prop_assert_eq!(shape(sql.as_str()), shape(plain.as_str()), "{}", sql);
                HOST.with(|host| host.query(sql.as_str())).unwrap_or_else(|error| panic!("{error}: {sql}"));
            }
            Err(error) => {
                let (TemplateError::WrongType { param, .. } | TemplateError::OutOfRange { param, .. } | TemplateError::Refused { param, .. }) = &error
                else {
                    panic!("{error:?}");
                };
                prop_assert!(params.contains_key(*param), "{} was not given", param);
                let accepts = template.params().iter().find(|known| known.name() == *param).expect("a param").accepts();
                let text = error.to_string();
                prop_assert!(text.contains(param) && text.contains(&accepts), "{}", text);
            }
        }
    }
}
