use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde_json::json;

use super::super::Renderer;
use super::*;
use crate::secrets::Secrets;

/// Stands in everything that others decide, and nowhere else.
const CANARY: &str = "canary";

/// Everything that an attacker decides, at every place of it: names, keys, values.
fn renderer() -> Renderer {
    let data = json!({
        CANARY: CANARY, "url": CANARY, "list": [CANARY, {"url": CANARY}], "number": 7, "text": CANARY.repeat(3),
        "x": CANARY, "loop": CANARY, "vars": {"url": CANARY},
    });
    let values = Values {
        vars: Some(json!({"url": "https://trusted.example", "list": ["a", "b"], "x": 1})),
        run: Some(json!({"id": "run"})),
        alert: Some(data.clone()),
        steps: Some(json!({"first": {"status": "success", "result": data}})),
    };
    let secrets = Secrets::new([("token".to_owned(), "hunter2-value".to_owned().into())]);
    let renderer = Renderer::new(Vault::new(secrets), values);
    renderer.with_item(&ListItem::of(Provenance::Any, json!({"url": CANARY, "x": CANARY})), 3)
}

/// Expressions of everything that the engine's expressions have.
fn expression() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "alert",
        "steps",
        "item",
        "item_index",
        "vars",
        "run",
        "secrets",
        "x",
        "y",
        "loop",
        "self",
        "caller",
        "context",
        "super",
        "namespace",
        "debug",
        "true",
        "none",
    ]);
    let leaf = prop_oneof![
        6 => name.prop_map(str::to_owned),
        1 => Just("'text'".to_owned()),
        1 => Just("2".to_owned()),
        3 => Just("alert.url".to_owned()),
        2 => Just("steps.first.result.url".to_owned()),
        2 => Just("item.url".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let filter = prop::sample::select(vec![
            "default('z')",
            "default(alert.url)",
            "upper",
            "list",
            "string",
            "tojson",
            "first",
            "items",
            "join('-')",
            "map(attribute='url')",
            "map('default', alert)",
            "select('defined')",
            "attr('url')",
            "debug",
            "safe",
            "replace('a', alert.url)",
            "sort",
            "reverse",
            "length",
            "format(alert)",
            "sum(start=alert.number)",
        ]);
        prop_oneof![
            (inner.clone(), filter).prop_map(|(a, filter)| format!("({a}) | {filter}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} ~ {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{'url': {a}, {b}: 1}}")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})({b}, **{b})")),
            inner.clone().prop_map(|a| format!("({a}).url")),
            inner.clone().prop_map(|a| format!("({a} is defined)")),
            inner.prop_map(|a| format!("({a})[:1]")),
        ]
    })
}

/// Templates of every statement that the engine has, and of those that it has with other features.
fn template() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => expression().prop_map(|a| format!("{{{{ {a} }}}}")),
        1 => Just("text".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let name = || {
            prop::sample::select(vec!["alert", "x", "y", "vars", "item", "steps", "run", "url"]).prop_map(str::to_owned)
        };
        let value = expression;
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a + &b),
            (name(), value(), inner.clone())
                .prop_map(|(name, a, body)| format!("{{% with {name} = {a} %}}{body}{{% endwith %}}")),
            (name(), value(), inner.clone()).prop_map(|(name, a, body)| format!("{{% set {name} = {a} %}}{body}")),
            (name(), value(), inner.clone())
                .prop_map(|(name, a, body)| format!("{{% set {name}, y = {a}, 1 %}}{body}")),
            (name(), inner.clone(), inner.clone())
                .prop_map(|(name, a, body)| format!("{{% set {name} %}}{a}{{% endset %}}{body}")),
            (name(), value(), inner.clone()).prop_map(|(name, a, body)| format!("{{% set vars.{name} = {a} %}}{body}")),
            (name(), value(), inner.clone())
                .prop_map(|(name, a, body)| format!("{{% for {name} in {a} %}}{body}{{% else %}}{body}{{% endfor %}}")),
            (value(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("{{% if {a} %}}{b}{{% else %}}{c}{{% endif %}}")),
            inner
                .clone()
                .prop_map(|a| format!("{{% filter upper %}}{a}{{% endfilter %}}")),
            (value(), inner.clone()).prop_map(|(a, b)| format!("{{% filter replace('t', {a}) %}}{b}{{% endfilter %}}")),
            inner
                .clone()
                .prop_map(|a| format!("{{% autoescape 'json' %}}{a}{{% endautoescape %}}")),
            (name(), value(), inner.clone())
                .prop_map(|(name, a, b)| format!("{{% macro m({name}={a}) %}}{b}{{% endmacro %}}{{{{ m() }}}}")),
            (value(), inner.clone()).prop_map(|(a, b)| format!("{{% call {a}(alert) %}}{b}{{% endcall %}}")),
            value().prop_map(|a| format!("{{% include {a} %}}")),
            value().prop_map(|a| format!("{{% import {a} as alert %}}")),
            inner
                .clone()
                .prop_map(|a| format!("{{% block alert %}}{a}{{% endblock %}}{{{{ self.alert() }}}}")),
            value().prop_map(|a| format!("{{% do {a}(alert) %}}")),
            inner.prop_map(|a| format!("{{% raw %}}{{{{ alert }}}}{{% endraw %}}{a}")),
        ]
    })
}

fn shows_canary(value: &serde_json::Value) -> bool {
    value.to_string().to_lowercase().contains(CANARY)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The scope alone: nothing is checked before the template is rendered.
    #[test]
    fn no_template_finds_in_the_trusted_scope_what_others_decide(template in template()) {
        if let Ok(value) = renderer().filled(&template, Provenance::Author) {
            prop_assert!(!shows_canary(&value), "{template}: {value}");
        }
    }

    /// What is checked first never knows less than what is rendered: a param is refused by its good message.
    #[test]
    fn what_the_check_lets_pass_renders_alike_whatever_others_decide(template in template()) {
        let scope = super::super::Scope::Item { untrusted: true };
        let Ok(mentions) = super::super::check(&template, scope) else { return Ok(()) };
        if !mentions.untrusted() {
            let (trusted, all) = (Provenance::Author, Provenance::Any);
            let renderer = renderer();
            // Handles are new for each vault, and there is one.
            prop_assert_eq!(renderer.filled(&template, trusted).ok(), renderer.filled(&template, all).ok(), "{}", template);
        }
    }
}

#[test]
fn the_templates_of_these_tests_would_find_it_elsewhere() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let renderer = renderer();
    let found = (0..1_000).filter(|_| {
        let template = template().new_tree(&mut runner).unwrap().current();
        renderer
            .filled(&template, Provenance::Any)
            .is_ok_and(|value| shows_canary(&value))
    });
    let found = found.count();
    assert!(found > 20, "{found}");
}

#[test]
fn constructs_that_capture_assign_or_filter_are_refused_by_what_they_name() {
    let renderer = renderer();
    for template in [
        "{{ alert.url }}",
        "{% with alert = alert.url %}{{ alert }}{% endwith %}",
        "{% with x = alert.url %}{{ x }}{% endwith %}",
        "{% set alert = alert.url %}{{ alert }}",
        "{% set x %}{{ alert.url }}{% endset %}{{ x }}",
        "{% for alert in alert.list %}{{ alert }}{% endfor %}",
        "{% for x in [alert] %}{{ x.url }}{% endfor %}",
        "{% filter upper %}{{ alert.url }}{% endfilter %}",
        "{% if false %}{% set alert = 1 %}{% endif %}{{ alert.url }}",
        "{{ {'x': alert}['x'].url }}",
        "{{ [steps] | map(attribute='first') | list }}",
        "{{ item }}{{ item_index }}",
        "{{ vars.url ~ item.url }}",
        "{{ [alert] }}",
        "{{ alert is defined }}",
        "{{ item_index | default(1) }}",
    ] {
        let problem = renderer.render(template, Provenance::Author).expect_err(template);
        assert_eq!(
            problem.code,
            crate::text::diagnostic::Code::UntrustedValue,
            "{template}: {problem:?}"
        );
        let scope = super::super::Scope::Item { untrusted: true };
        assert!(super::super::check(template, scope).unwrap().untrusted(), "{template}");
    }
}

#[test]
fn an_item_is_as_trusted_as_its_list() {
    let renderer = Renderer::new(Vault::new(Secrets::new([])), Values::default());
    for (provenance, trusted) in [(Provenance::Author, true), (Provenance::Any, false)] {
        let renderer = renderer.with_item(&ListItem::of(provenance, json!("a")), 0);
        assert_eq!(renderer.filled("{{ item }}", Provenance::Author).is_ok(), trusted);
        assert_eq!(renderer.filled("{{ item_index }}", Provenance::Author).is_ok(), trusted);
        assert!(renderer.filled("{{ item }}", Provenance::Any).is_ok());
    }
}
