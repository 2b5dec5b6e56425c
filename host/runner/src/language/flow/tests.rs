use proptest::prelude::*;

use super::*;
use crate::language::playbook::Playbook;

/// The codes and messages of what is wrong with steps `a`, `b`, `c`, …, each with these keys.
fn problems(steps: &[&str]) -> Vec<String> {
    let lines = steps.iter().zip('a'..);
    let lines = lines.map(|(keys, id)| format!("- {{id: {id}, type: t, {keys}}}"));
    let text = lines.collect::<Vec<_>>().join("\n");
    match Playbook::parse("p.yaml", &text) {
        Ok(_) => Vec::new(),
        Err(found) => found
            .iter()
            .map(|problem| {
                let record = problem.record();
                format!(
                    "{}:{} {}: {}",
                    record.line.unwrap(),
                    record.column.unwrap(),
                    record.code,
                    record.message
                )
            })
            .collect(),
    }
}

#[test]
fn each_mistake_has_its_place_and_words() {
    for (steps, expected) in [
        (
            &["next_true: c", "when: true", ""][..],
            &["2:8 unreachable-step: no run reaches the step `b`"][..],
        ),
        (&["next_true: d", ""], &["1:31 unknown-step: there is no step `d`"]),
        (
            &["when: true, next_false: bb", "next_true: null"],
            &["1:44 unknown-step: there is no step `bb`"],
        ),
        (
            &["", "next_true: a"],
            &["2:31 cycle: the steps go round in a circle: `a` → `b` → `a`"],
        ),
        (
            &["next_true: a"],
            &["1:31 cycle: the steps go round in a circle: `a` → `a`"],
        ),
        (
            &["when: true, next_false: c", "", "when: true, next_false: b"],
            &["3:44 cycle: the steps go round in a circle: `b` → `c` → `b`"],
        ),
        // Both arms of a branch, and what follows them.
        (
            &["when: true, next_true: b, next_false: c", "next_true: d", "", ""],
            &[],
        ),
        // A way back is no circle if it comes out elsewhere.
        (&["next_true: c", "next_true: d", "next_true: b", ""], &[]),
        // After a failure, the run would go on in order.
        (
            &["next_true: c", "next_true: d, on_failure: continue", "next_true: b", ""],
            &["3:31 cycle: the steps go round in a circle: `b` → `c` → `b`"],
        ),
        // Disabling a step makes no other unreachable.
        (
            &[
                "when: true, next_true: c, next_false: b, enabled: false",
                "next_true: d",
                "",
                "",
            ],
            &[],
        ),
        (
            &["next_false: b", ""],
            &["1:20 branch-without-condition: `next_false` is never taken"],
        ),
    ] {
        assert_eq!(problems(steps), expected, "{steps:?}");
    }
}

fn nodes() -> impl Strategy<Value = Vec<FlowNode>> {
    (1..9_usize).prop_flat_map(|count| {
        let target = || prop::option::weighted(0.4, 0..count);
        let node = (
            target(),
            target(),
            any::<bool>(),
            any::<bool>(),
            prop::bool::weighted(0.1),
        )
            .prop_map(|(next_true, next_false, gated, survives, disabled)| FlowNode {
                next_true,
                next_false,
                gated,
                survives,
                disabled,
            });
        prop::collection::vec(node, count)
    })
}

proptest! {
    #[test]
    fn either_there_is_a_circle_or_no_run_visits_a_step_twice(nodes in nodes(), choices in prop::collection::vec(0..4_usize, 12)) {
        let count = nodes.len();
        let flow = Flow(nodes);
        if let Some(circle) = flow.circle() {
            for (from, to) in circle.iter().zip(circle.iter().cycle().skip(1)) {
                prop_assert!(flow.successors(*from, None).any(|next| next == *to), "{from} → {to} of {circle:?}");
            }
            return Ok(());
        }
        let reachable = flow.reachable(0);
        let mut visited = vec![false; count];
        let mut at = 0;
        for choice in choices {
            if at >= count {
                break;
            }
            prop_assert!(!std::mem::replace(&mut visited[at], true), "{at} is visited twice");
            prop_assert!(reachable[at]);
            let ways: Vec<usize> = flow.successors(at, None).collect();
            at = ways[choice % ways.len()];
        }
        prop_assert!(at >= count || visited.iter().filter(|seen| **seen).count() == 12, "the run did not end");
    }
}
