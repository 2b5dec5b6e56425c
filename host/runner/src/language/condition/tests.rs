use serde_json::json;

use super::*;
use crate::language::playbook::Playbook;
use crate::language::render::Values;
use crate::secrets::{Secrets, Vault};
use crate::text::diagnostic::Diagnostics;

/// What a condition, written as YAML under `key`, comes to: `true`, `false`, or the codes of what is wrong with it.
fn ask(key: &str, condition: &str) -> String {
    let text = format!("- {{id: first, type: t}}\n- id: second\n  type: t\n  {key}: {condition}\n");
    let playbook = Playbook::parse("p.yaml", &text).unwrap();
    let step = &playbook.steps[1];
    let codes = |problems: &Diagnostics| {
        problems
            .iter()
            .map(|problem| problem.code().word())
            .collect::<Vec<_>>()
            .join(" ")
    };
    if !step.problems.is_empty() {
        return codes(&step.problems.clone().into());
    }
    let values = Values {
        alert: Some(json!({
            "severity": "high", "score": 7, "level": "12", "host": "web-01", "tags": ["edr", "linux"], "nobody": null,
            "entities": [{"name": "a"}], "safe": true, "host.name": "dotted",
        })),
        vars: Some(json!({"wanted": "high", "least": 5})),
        steps: Some(json!({"first": {"status": "partial", "result": {"partial": true, "rows": [1, 2]}}})),
        run: Some(json!({"id": "r"})),
    };
    let renderer = Renderer::new(Vault::new(Secrets::new([])), values);
    match step.gate.decide(&playbook.document, &renderer) {
        Ok(decision) => (decision == Decision::Runs).to_string(),
        Err(problem) => codes(&vec![problem].into()),
    }
}

#[test]
fn comparisons_with_a_field() {
    for (condition, expected) in [
        ("{field: alert.severity, operator: eq, value: high}", "true"),
        ("{field: severity, operator: eq, value: high}", "true"),
        ("{field: severity, value: high}", "true"),
        ("{field: severity, operator: ne, value: high}", "false"),
        ("{field: score, operator: eq, value: 7.0}", "true"),
        ("{field: score, operator: eq, value: '7'}", "false"),
        ("{field: score, operator: gt, value: 5}", "true"),
        ("{field: score, operator: lt, value: '5'}", "false"),
        ("{field: level, operator: gt, value: 5}", "true"),
        ("{field: host, operator: gt, value: 5}", "wrong-type"),
        ("{field: nobody, operator: lt, value: 5}", "wrong-type"),
        ("{field: host, operator: contains, value: web}", "true"),
        ("{field: tags, operator: contains, value: edr}", "true"),
        ("{field: tags, operator: contains, value: ed}", "false"),
        ("{field: severity, operator: contains, value: [high, critical]}", "true"),
        ("{field: nobody, operator: contains, value: x}", "false"),
        ("{field: score, operator: contains, value: x}", "wrong-type"),
        ("{field: score, operator: exists}", "true"),
        ("{field: nobody, operator: exists}", "false"),
        ("{field: missing, operator: exists}", "false"),
        ("{field: missing.deeper, operator: exists}", "false"),
        ("{field: missing, operator: eq, value: x}", "undefined-variable"),
        ("{field: missing, operator: ne, value: x}", "undefined-variable"),
        ("{field: entities.0.name, operator: eq, value: a}", "true"),
        ("{field: entities.1.name, operator: exists}", "false"),
        ("{field: steps.first.result.partial, operator: eq, value: true}", "true"),
        ("{field: steps.first.status, value: partial}", "true"),
        ("{field: vars.least, operator: lt, value: 6}", "true"),
        ("{field: severity, value: '{{ vars.wanted }}'}", "true"),
        ("{field: severity, value: '{{ vars.wnted }}'}", "undefined-variable"),
    ] {
        assert_eq!(ask("condition", condition), expected, "{condition}");
    }
}

#[test]
fn expressions() {
    for (condition, expected) in [
        ("\"severity == 'high'\"", "true"),
        ("\"alert.severity == 'high'\"", "true"),
        ("\"severity in ['high', 'critical']\"", "true"),
        ("\"'ed' in tags\"", "false"),
        ("\"score >= 7\"", "true"),
        ("\"score > 7 or host.startswith('web')\"", "template-failed"),
        ("\"score > 7 or 'web' in host\"", "true"),
        ("{expression: safe}", "true"),
        ("{expression: not safe, field: ''}", "false"),
        ("\"steps.first.result.rows | length > 1\"", "true"),
        ("\"alert['host.name'] == 'dotted'\"", "true"),
        ("\"nobody is none\"", "true"),
        ("\"missing is defined\"", "false"),
        ("\"missing == 'x'\"", "undefined-variable"),
        ("severity", "wrong-type"),
        ("score", "wrong-type"),
        ("true", "true"),
        ("false", "false"),
    ] {
        assert_eq!(ask("condition", condition), expected, "{condition}");
    }
    // `when` knows no names but the roots.
    assert_eq!(ask("when", "\"alert.severity == 'high'\""), "true");
    assert_eq!(ask("when", "\"severity == 'high'\""), "undefined-variable");
    assert_eq!(ask("when", "false"), "false");
}

#[test]
fn what_cannot_be_a_condition_is_never_false_in_silence() {
    for (condition, expected) in [
        ("\"severity = 'high'\"", "template-syntax"),
        ("\"severity ==\"", "template-syntax"),
        ("\"severity is not null\"", "unknown-test"),
        ("\"severity == null\"", "undefined-variable"),
        ("\"severity | uper == 'HIGH'\"", "unknown-filter"),
        ("\"{{ severity == 'high' }}\"", "template-syntax"),
        ("\"secrets.token == 'x'\"", "secret-transformed"),
        ("\"${SEVERITY} == 'high'\"", "template-syntax"),
        ("{field: secrets.token, operator: exists}", "secret-transformed"),
        ("{field: severity, value: '{{ secrets.token }}'}", "secret-transformed"),
        ("{field: severity, operator: equals, value: x}", "unknown-value"),
        ("{field: severity, operator: eq}", "missing-key"),
        ("{field: 'a..b', operator: exists}", "invalid-value"),
        ("{field: '{{ alert.severity }}', value: high}", "invalid-value"),
        ("{field: severity, expression: safe}", "conflicting-keys"),
        ("{feild: severity, value: x}", "unknown-key missing-key"),
        ("{}", "missing-key"),
        ("[]", "wrong-type"),
        ("7", "wrong-type"),
    ] {
        assert_eq!(ask("condition", condition), expected, "{condition}");
    }
}
