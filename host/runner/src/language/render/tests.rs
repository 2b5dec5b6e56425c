use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::secrets::{Escaping, Secrets};

const VALUE: &str = "hunter2-value";

fn renderer() -> Renderer {
    let secrets = Secrets::new([("server_token".to_owned(), SecretString::from(VALUE.to_owned()))]);
    let alert = json!({"host": "web-01", "hosts": ["a", "b"], "count": 3, "nested": {"user": "root"}});
    let values = Values {
        vars: Some(json!({})),
        run: Some(json!({"id": "r1"})),
        alert: Some(alert),
        steps: Some(json!({})),
    };
    Renderer::new(Vault::new(secrets), values)
}

#[test]
fn a_sole_expression_keeps_its_type_and_a_text_stays_a_text() {
    for (template, value) in [
        ("{{ alert.hosts }}", json!(["a", "b"])),
        ("{{alert.count}}", json!(3)),
        ("{{ alert.count > 2 }}", json!(true)),
        (" {{ alert.count }}", json!(" 3")),
        ("{{ alert.count }}{{ alert.count }}", json!("33")),
        ("{% if alert.count > 2 %}many{% endif %}", json!("many")),
        ("host {{ alert.host | upper }}", json!("host WEB-01")),
        ("plain } text", json!("plain } text")),
        ("{{ alert.missing | default('x') }}", json!("x")),
    ] {
        assert_eq!(
            renderer().render(template, Provenance::Any).unwrap(),
            value,
            "{template}"
        );
    }
}

#[test]
fn a_secret_becomes_a_handle_that_its_vault_knows() {
    let renderer = renderer();
    for template in [
        "{{ secrets.server_token }}",
        "Bearer {{ secrets.server_token }}",
        "{{ 'Bearer ' ~ secrets.server_token ~ alert.host }}",
    ] {
        let rendered = renderer.render(template, Provenance::Any).unwrap();
        let rendered = rendered.as_str().unwrap();
        assert!(!rendered.contains(VALUE), "{template}");
        assert!(
            renderer
                .vault
                .substitute(rendered, Escaping::Plain)
                .unwrap()
                .contains(VALUE),
            "{template}"
        );
    }
}

#[test]
fn a_secret_is_never_looked_at_or_changed() {
    for template in [
        "{{ secrets.server_token | upper }}",
        "{{ secrets.server_token == 'x' }}",
        "{{ 'x' in secrets.server_token }}",
        "{{ secrets.server_token[0:3] }}",
        "{{ secrets.server_token.x }}",
        "{{ secrets['server_token'] }}",
        "{{ secrets }}",
        "{{ secrets | tojson }}",
        "{{ 'a' if secrets.server_token else 'b' }}",
        "{{ (secrets.server_token ~ 'x') | length }}",
        "{{ a == 'b' ~ secrets.server_token }}",
        "{{ [secrets.server_token] }}",
        "{{ secrets.server_token + 'x' }}",
        "{{ secrets.server_token is defined }}",
        "{% set s = secrets %}{{ s.server_token | upper }}",
        "{% set s = secrets.server_token %}{{ s }}",
        "{% if secrets.server_token %}x{% endif %}",
        "{% for c in secrets.server_token %}{{ c }}{% endfor %}",
        "{% filter upper %}{{ secrets.server_token }}{% endfilter %}",
        "{% set x %}{{ secrets.server_token }}{% endset %}{{ x | upper }}",
    ] {
        let problems = check(template, Scope::Roots).expect_err(template);
        assert!(
            problems.iter().any(|problem| problem.code == Code::SecretTransformed),
            "{template}: {problems:?}"
        );
    }
}

/// Everything that an error says, however it is asked.
fn formats(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    let said: Vec<String> = chain
        .map(|error| format!("{error} {error:#} {error:?} {error:#?}"))
        .collect();
    said.join("\n")
}

#[test]
fn no_formatting_of_an_error_of_the_engine_shows_what_templates_see() {
    let renderer = renderer();
    let handle = renderer.vault.handle("server_token").unwrap();
    let context = renderer.untrusted.names().context();
    for template in [
        "{{ secrets.server_token.x.y }}",
        "{{ secrets.server_token + 1 }}",
        "{{ secrets.server_token - alert.count }}",
        "{{ secrets.server_token | uper }}",
        "{{ secrets.server_token | round }}",
        "{{ secrets.server_token | int }}",
        "{{ secrets.server_token | batch(2) | first | first | abs }}",
        "{{ secrets.server_token is nothing }}",
        "{{ secrets.server_token() }}",
        "{{ secrets.server_token.upper(1, 2) }}",
        "{{ secrets() }}",
        "{{ secrets.absent.x }}",
        "{{ secrets | items }}",
        "{{ (secrets.server_token ~ alert.host) | abs }}",
        "{{ [secrets.server_token, alert.host] | sum }}",
        "{{ {'a': secrets.server_token} | abs }}",
        "{% set s = secrets.server_token %}{% set t = alert.nested %}{{ t.user.x.y ~ s }}",
        "{% for a, b, c in [[secrets.server_token, alert.host]] %}{{ a }}{% endfor %}",
        "{% macro m(a) %}{{ a.x.y }}{% endmacro %}{{ m(secrets.server_token) }}",
        "{{ alert.host.x.y ~ secrets.server_token }}",
    ] {
        // A few cannot be compiled, and a few go well; they are refused before it comes to that.
        let said = Program::template(template)
            .ok()
            .and_then(|program| program.render(&context).err())
            .map_or_else(String::new, |error| formats(&error));
        for value in [VALUE, handle.as_str(), "web-01", "root"] {
            assert!(!said.contains(value), "{template}: {said}");
        }
        let said = format!("{:?}", renderer.render(template, Provenance::Any).expect_err(template));
        for value in [VALUE, handle.as_str(), "web-01", "root"] {
            assert!(!said.contains(value), "{template}: {said}");
        }
    }
}

#[test]
fn each_mistake_has_its_own_words_and_place() {
    for (template, code, part, hint) in [
        (
            "{{ alert.hots }}",
            Code::UndefinedVariable,
            "alert.hots",
            "did you mean `host`?",
        ),
        (
            "a {{ alert.nested.usr }}",
            Code::UndefinedVariable,
            "alert.nested.usr",
            "did you mean `user`?",
        ),
        (
            "{{ alrt.host }}",
            Code::UndefinedVariable,
            "alrt",
            "did you mean `alert`?",
        ),
        (
            "{{ alert.host | uper }}",
            Code::UnknownFilter,
            "uper",
            "did you mean `upper`?",
        ),
        (
            "{{ secrets.server_tokn }}",
            Code::UnknownSecret,
            "server_tokn",
            "did you mean `server_token`?",
        ),
        (
            "${FLEETDM}",
            Code::IntegrationReference,
            "${FLEETDM}",
            "secrets.fleetdm",
        ),
    ] {
        let problem = renderer()
            .render(template, Provenance::Any)
            .and_then(|_| match check(template, Scope::Roots) {
                Err(problems) => Err(problems[0].clone()),
                Ok(_) => Ok(()),
            });
        let problem = problem.expect_err(template);
        assert_eq!(
            (problem.code, &template[problem.range.clone()]),
            (code, part),
            "{template}"
        );
        assert!(
            problem.hint.as_deref().unwrap_or_default().contains(hint),
            "{template}: {:?}",
            problem.hint
        );
    }
    assert_eq!(
        check("{{ alert.host ", Scope::Roots).unwrap_err()[0].code,
        Code::TemplateSyntax
    );
    let endless = "{% for a in alert.hosts %}".repeat(20) + "x" + &"{% endfor %}".repeat(20);
    assert_eq!(
        renderer().render(&endless, Provenance::Any).unwrap_err().code,
        Code::TemplateTooLong
    );
}

#[test]
fn what_a_template_looks_at_is_known_before_it_is_rendered() {
    for (template, untrusted) in [
        ("{{ vars.x }}", false),
        ("{{ alert.host }}", true),
        ("{% set x = alert.a %}{{ x }}", true),
        ("{% if steps.a.result %}1{% endif %}", true),
        ("{% for h in alert.hosts %}{{ h }}{% endfor %}", true),
        ("alert.host", false),
        ("{{ 'alert.host' }}", false),
        ("{{ vars.alert }}", false),
    ] {
        assert_eq!(
            check(template, Scope::Roots).unwrap().untrusted(),
            untrusted,
            "{template}"
        );
    }
}

proptest! {
    #[test]
    fn nothing_that_a_template_says_reveals_a_secret(template in r"(\{\{|\{%|\}\}|%\}| |secrets|\.|server_token|~|\||upper|'|alert|host|if|set|=|\[|\]|\(|\)){0,24}") {
        let renderer = renderer();
        let said = match renderer.render(&template, Provenance::Any) {
            Ok(value) => value.to_string(),
            Err(problem) => format!("{problem:?}"),
        };
        prop_assert!(!said.contains(VALUE) && !said.to_lowercase().contains("hunter2"), "{said}");
    }
}
