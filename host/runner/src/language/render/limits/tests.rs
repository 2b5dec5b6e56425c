#![allow(
    clippy::disallowed_methods,
    reason = "asserts that a bound on work holds, with much to spare"
)]
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::{Problem, Renderer, Scope, Values, check, check_expression};
use super::*;
use crate::secrets::{Secrets, Vault};
use crate::text::schema::Provenance;

fn renderer(alert: Value) -> Renderer {
    let values = Values {
        alert: Some(alert),
        ..Values::default()
    };
    Renderer::new(Vault::new(Secrets::new([])), values)
}

/// An alert with everything in it that could make a template large.
fn large_alert() -> Value {
    let letters = "x".repeat(300_000);
    let numbers: Vec<usize> = (0..100_000).collect();
    let pairs: Vec<Value> = (0..20_000).map(|at| json!({"a": at, "b": [at, {"c": "x"}]})).collect();
    let mut deep = json!("x");
    for _ in 0..120 {
        deep = json!([deep]);
    }
    json!({
        "n": 1_000_000_000, "many": 100_000, "text": letters, "numbers": numbers, "pairs": pairs, "deep": deep,
        "commas": ",".repeat(100_000), "letters": ('a'..='z').collect::<String>().repeat(4_000),
        "dots": "a.".repeat(50_000),
    })
}

/// Renders on a stack as small as those of the threads that run steps.
fn on_a_small_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        thread.spawn_scoped(scope, run).unwrap().join().unwrap()
    })
}

#[test]
fn what_the_engine_would_recurse_over_is_refused_before_it_is_parsed() {
    let many = 4_000;
    let around = |open: &str, close: &str| format!("{{{{ {}x{} }}}}", open.repeat(many), close.repeat(many));
    let after = |more: &str| format!("{{{{ x{} }}}}", more.repeat(many));
    for template in [
        after(".b"),
        after("[0]"),
        after("()"),
        after(" + 1"),
        after(" ~ x"),
        after(" ** 2"),
        after("|abs"),
        after(" is odd"),
        after(" and x"),
        after(" or x"),
        after(" == x"),
        after(" not in x"),
        after(" if x else x"),
        around("not ", ""),
        around("-", ""),
        around("(", ")"),
        around("[", "]"),
        around("{1: ", "}"),
        around("x(", ")"),
        around("x[", "]"),
        around("x|f(", ")"),
        around("x if x else ", ""),
        format!("{{% if x %}}{}{{% endif %}}", "{% elif x %}".repeat(many)),
        "{% if x %}".repeat(many) + &"{% endif %}".repeat(many),
        "{% for a in x %}".repeat(many) + &"{% endfor %}".repeat(many),
        "{% with a = x %}".repeat(many) + &"{% endwith %}".repeat(many),
        "{% set a %}".repeat(many) + &"{% endset %}".repeat(many),
        "{% filter upper %}".repeat(many) + &"{% endfilter %}".repeat(many),
        "{% autoescape true %}".repeat(many) + &"{% endautoescape %}".repeat(many),
        format!("{{% filter upper{} %}}{{% endfilter %}}", "|upper".repeat(many)),
        format!("{{% set a{} = 1 %}}", ".b".repeat(many)),
        format!(
            "{{% for {}a{} in x %}}{{% endfor %}}",
            "(".repeat(many),
            ")".repeat(many)
        ),
        "{{ x }}".repeat(many),
        "x".repeat(LONGEST) + "{{ x }}",
    ] {
        let problems = on_a_small_stack(|| check(&template, Scope::Roots).unwrap_err());
        let shown: String = template.chars().take(60).collect();
        assert_eq!(problems[0].code, Code::TemplateTooLong, "{shown}: {problems:?}");
        assert!(problems[0].message.contains(char::is_numeric), "{problems:?}");
        let rendered = on_a_small_stack(|| renderer(json!({})).render(&template, Provenance::Any));
        assert!(rendered.is_err(), "{shown}");
    }
    for expression in [format!("x{}", ".b".repeat(40_000)), "not ".repeat(40_000) + "x"] {
        let problems = on_a_small_stack(|| check_expression(&expression, Scope::AlertFields).unwrap_err());
        assert_eq!(problems[0].code, Code::TemplateTooLong);
    }
}

/// Every limit at once, in the worst order, on the stack of a thread and without optimisation.
#[test]
fn what_is_within_the_limits_does_not_overflow_the_stack() {
    let brackets = MOST_BRACKETS - 2;
    let operators = MOST_OPERATORS - 2 * brackets - 10;
    for (open, close) in [("(", ")"), ("[", "]"), ("{1: ", "}"), ("x[", "]"), ("x|default(", ")")] {
        for (before, after) in [
            ("", ".b"),
            ("", "|upper"),
            ("", " + 1"),
            ("not ", ""),
            ("-", ""),
            ("", " if x else x"),
        ] {
            let fewer = if after.contains("else") { 2 } else { 1 };
            let inner = format!("{}x{}", before.repeat(operators), after.repeat(operators / fewer));
            let nested = open.repeat(brackets) + &inner + &close.repeat(brackets);
            let blocks = MOST_BLOCKS - 1;
            for template in [
                format!(
                    "{}{{{{ {nested} }}}}{}",
                    "{% if true %}".repeat(blocks),
                    "{% endif %}".repeat(blocks)
                ),
                format!(
                    "{{% if false %}}{}{{{{ {nested} }}}}{{% endif %}}",
                    "{% elif true %}".repeat(blocks - 1)
                ),
                format!("{{{{ {nested} }}}}"),
            ] {
                on_a_small_stack(|| {
                    if let Err(problems) = check(&template, Scope::AlertFields) {
                        assert!(
                            problems.iter().all(|problem| problem.code != Code::TemplateTooLong),
                            "{problems:?}"
                        );
                    }
                    // Most of it fails, each in its own way.
                    let _ = renderer(json!({})).filled(&template, Provenance::Any);
                });
            }
        }
    }
}

/// Templates that make much of little, as authors and alerts could write them.
#[expect(clippy::too_many_lines, reason = "a table")]
fn amplifying() -> Vec<String> {
    let doubled = |last: &str| format!("{{% set a = ['x'] %}}{}{last}", "{% set a = [a, a] %}".repeat(60));
    let added = |last: &str| format!("{{% set a = ['x'] %}}{}{last}", "{% set a = a + a %}".repeat(60));
    let nested = format!(
        "{{% set a = [1] %}}{}{{{{ a }}}}",
        "{% set a = [[[[[[a]]]]]] %}".repeat(60)
    );
    let sliced = format!(
        "{{% set a = [1, 2] %}}{}{{{{ a }}}}",
        format!("{{% set a = a{} %}}", "[0:]".repeat(60)).repeat(30)
    );
    let reversed = format!(
        "{{% set a = [1, 2] %}}{}{{{{ a }}}}",
        format!("{{% set a = a{} %}}", "|reverse".repeat(60)).repeat(30)
    );
    let mapped = format!("{{{{ alert.deep | map({}'list') | list }}}}", "'map', ".repeat(100));
    let mut templates = vec![nested, sliced, reversed, mapped];
    for last in [
        "{{ a }}",
        "{{ a | tojson }}",
        "{{ a | string }}",
        "{{ a | join }}",
        "{{ a ~ '' }}",
        "{{ a | upper }}",
        "{{ a == [a] }}",
        "{{ a | sort }}",
        "{{ a in [[a]] }}",
        "{{ a | length }}",
        "{% for b in a %}{{ b }}{% endfor %}",
    ] {
        templates.extend([doubled(last), added(last)]);
    }
    let single = [
        "{{ alert.pairs | tojson(indent=alert.n) }}",
        "{{ alert.deep | tojson(alert.n) }}",
        "{{ [alert.pairs, alert.pairs] | tojson(16) }}",
        "{{ [1] * 100000000 }}",
        "{{ [1] * alert.n }}",
        "{{ [[1] * 90000000] * 90000000 }}",
        "{{ [1] * 90000000 ~ '' }}",
        "{{ ([1] * 90000000) | list }}",
        "{{ ([1] * 90000000) | tojson }}",
        "{{ [[1] * 90000000] * 90000000 == [[1] * 90000000] * 90000000 }}",
        "{{ ([1] * 90000000) is eq([1] * 90000000) }}",
        "{{ [1] * 90000000 < [1] * 90000000 < [1] }}",
        "{{ 2 in [1] * 90000000 }}",
        "{{ [alert.pairs] * 90000 }}",
        "{{ [alert.text] * 90000 ~ 'x' }}",
        "{{ ([alert.text] * 90000) | join(alert.text) }}",
        "{{ alert.numbers | join(alert.text) }}",
        "{{ 'x' * alert.n }}",
        "{{ 'x' * 100000000 }}",
        "{{ (1, 2) * alert.n }}",
        "{{ alert.text | replace('x', alert.text) }}",
        "{{ alert.text | replace('', alert.text) }}",
        "{{ alert.text | replace('', alert.text, 100000) }}",
        "{{ alert.text | split('') | map('split', '') | list }}",
        "{{ alert.numbers | map('string') | sum(start='') }}",
        "{{ [alert.numbers] | sum(start=[]) }}",
        "{{ alert.pairs | sort(attribute=alert.commas) }}",
        "{{ alert.pairs | map(attribute=alert.dots) | list }}",
        "{{ alert.pairs | selectattr(alert.dots) | list }}",
        "{{ alert.text | trim(alert.letters) }}",
        "{{ alert.numbers | slice(alert.n) }}",
        "{{ alert.numbers | slice(alert.many, alert.pairs) }}",
        "{{ alert.numbers | map('slice', 100000) | list }}",
        "{{ alert.numbers | map('tojson', 100000) | list }}",
        "{{ alert.numbers | map('format') | list }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ ['%1000000000d'] | map('format', 1) | list }}",
        "{{ 'x' | center(alert.n) }}",
        "{{ ['x'] | map('indent', alert.n) | list }}",
        "{{ alert.numbers | batch(alert.n, 'x') }}",
        "{{ range(alert.n) | list }}",
        "{{ 1 | round(-1000000000) }}{{ 1.5 | round(1000000000) }}{{ 9 ** 9 ** 9 }}",
        "{% filter indent(alert.n) %}x{% endfilter %}",
        "{% for a in [1] * 90000000 %}{% endfor %}",
        "{% for a in alert.numbers %}{% if alert.pairs == alert.pairs | list %}x{% endif %}{% endfor %}",
        "{% for a in alert.numbers %}{% if alert.pairs is eq(alert.pairs | list) %}x{% endif %}{% endfor %}",
        "{% for a in alert.numbers %}{{ alert.pairs | min }}{% endfor %}",
        "{% for a in alert.numbers %}{% if alert.text is lower or alert.text is upper %}{% endif %}{% endfor %}",
        "{% for a in alert.numbers %}{{ alert.text }}{% endfor %}",
        "{% for a in alert.numbers recursive %}{{ loop(alert.numbers) }}{% endfor %}",
        "{% set a %}{{ alert.text }}{% endset %}{{ a * 30 }}",
        "{{ alert.numbers[0:][0:][0:][0:][0:][0:][0:][0:][0:][0:][0:][0:][0:][0:][0:][0:][0:][0:][0:][0:] | length }}",
        "{% autoescape 'html' %}{{ [alert.pairs, alert.pairs] }}{% endautoescape %}",
        "{% autoescape 'json' %}{{ [alert.pairs] * 100 }}{% endautoescape %}",
    ];
    templates.extend(single.map(str::to_owned));
    templates
}

#[test]
fn no_template_makes_much_of_little() {
    let renderer = renderer(large_alert());
    for template in amplifying() {
        let began = Instant::now();
        let rendered = on_a_small_stack(|| renderer.filled(&template, Provenance::Any));
        let took = began.elapsed();
        let shown: String = template.chars().take(100).collect();
        // Without optimisation, and beside other tests.
        assert!(took < Duration::from_secs(20), "{shown}: {took:?}");
        let size = rendered.as_ref().map_or(0, |value| value.to_string().len());
        assert!(size < 2 * LARGEST as usize, "{shown}: {size}");
    }
}

#[test]
fn what_all_texts_and_items_make_is_limited_together() {
    // Each is far below what one text may make.
    let renderer = renderer(json!({"hosts": vec!["x".repeat(200); 4_000]}));
    let render = |text: &str| renderer.render(text, Provenance::Any);
    let made = (0..1_000).take_while(|_| render("{{ alert.hosts }}").is_ok()).count();
    assert!((10..100).contains(&made), "{made}");
    let problem = render("{{ alert.hosts }}").unwrap_err();
    assert_eq!(problem.code, Code::TemplateTooLong);
    assert!(problem.message.contains("take more than 64 MiB"), "{problem:?}");
    assert!((0..4_000_000).any(|_| render("literal").is_err()), "texts count, too");
}

#[test]
fn each_limit_is_named_when_it_is_exceeded() {
    let renderer = renderer(large_alert());
    for (template, words) in [
        (
            "{{ alert.pairs | tojson(indent=alert.n) }}",
            "indents by more than 16 spaces",
        ),
        ("{{ [1] * 90000000 }}", "makes a value of more than 64 MiB"),
        (
            "{{ [alert.numbers, alert.numbers, alert.numbers, alert.numbers] ~ '' }}",
            "makes a value of more than 8 MiB",
        ),
        (
            "{{ alert.text | replace('x', alert.text) }}",
            "makes a text of more than 8 MiB",
        ),
        ("{{ alert.text | split('') | list }}", "makes more than 200000 parts"),
        (
            "{{ alert.text | trim(alert.letters) }}",
            "trims more than 100 characters",
        ),
        (
            "{{ alert.pairs | sort(attribute=alert.commas) }}",
            "more than 8 of them",
        ),
        (
            "{{ [[[[[[[[[alert.deep]]]]]]]]] }}",
            "more than 128 lists and maps within each other",
        ),
        (
            "{% for a in alert.numbers %}xxxxxxxxxxx{{ a }}{% endfor %}",
            "computes too much: more than 100000 steps",
        ),
    ] {
        let problem: Problem = renderer.filled(template, Provenance::Any).expect_err(template);
        assert_eq!(problem.code, Code::TemplateTooLong, "{template}: {problem:?}");
        assert!(problem.message.contains(words), "{template}: {problem:?}");
    }
}

#[test]
fn what_people_write_stays_within_the_limits() {
    let renderer = renderer(json!({"host": "web-01", "tags": ["a", "b"], "rows": [{"user": "root"}, {"user": "x"}]}));
    let or = vec!["alert.host == 'web-01'"; 80].join(" or ");
    let choice = |at| format!("{{% if alert.host == '{at}' %}}{at}{{% endif %}}");
    let choices = (0..45).map(choice).collect::<Vec<_>>().concat();
    let joined = vec!["alert.host"; 80].join(" ~ '-' ~ ");
    for (template, value) in [
        (format!("{{{{ {or} }}}}"), json!(true)),
        (choices, json!("")),
        (format!("{{{{ ({joined}) | length }}}}"), json!(559)),
        ("{{ alert.tags * 2 }}".to_owned(), json!(["a", "b", "a", "b"])),
        ("{{ alert.tags + ['c'] }}".to_owned(), json!(["a", "b", "c"])),
        ("{{ alert.tags[1:] }}".to_owned(), json!(["b"])),
        (
            "{{ {'a': alert.tags} | tojson(indent=2) }}".to_owned(),
            json!("{\n  \"a\": [\n    \"a\",\n    \"b\"\n  ]\n}"),
        ),
        (
            "{{ alert.rows | map(attribute='user') | join(', ') }}".to_owned(),
            json!("root, x"),
        ),
        (
            "{{ alert.rows | selectattr('user', '==', 'root') | list }}".to_owned(),
            json!([{"user": "root"}]),
        ),
        (
            "{{ alert.rows | sort(attribute='user', reverse=true) | first }}".to_owned(),
            json!({"user": "x"}),
        ),
        (
            "{{ alert.host | replace('-', '_', count=1) | upper }}".to_owned(),
            json!("WEB_01"),
        ),
        ("{{ alert.none | default(alert.tags) | last }}".to_owned(), json!("b")),
        (
            "{% if alert.host %}{% set a = 1 %}{% else %}{% set a = 2 %}{% endif %}{{ a }}".to_owned(),
            json!("1"),
        ),
        (
            "{% filter upper | trim %} {{ alert.host }} {% endfilter %}".to_owned(),
            json!("WEB-01"),
        ),
        (
            "{% set a | upper %}{{ alert.host }}{% endset %}{{ a }}".to_owned(),
            json!("WEB-01"),
        ),
        (
            "{% with (a, b) = alert.tags %}{{ b ~ a }}{% endwith %}".to_owned(),
            json!("ba"),
        ),
        (
            "{% for item in alert.tags if item != 'a' %}{{ loop.index ~ item }}{% endfor %}".to_owned(),
            json!("1b"),
        ),
        (
            "{{ 1 < 2 < 3 and 'a' in alert.tags and 'z' not in alert.host }}".to_owned(),
            json!(true),
        ),
    ] {
        assert_eq!(renderer.render(&template, Provenance::Any), Ok(value), "{template}");
    }
}
