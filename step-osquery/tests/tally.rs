//! Every target ends in exactly one of results, timed-out hosts and failed hosts.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;
use step_osquery::live_query::TargetHosts;
use step_osquery::live_query::{Answer, Sighting, Tally};

#[derive(Debug, Clone)]
enum Happening {
    Resolve(usize, u8),
    Refuse(usize),
    Answer(u8),
    Fail(u8),
    TimeOut(u8),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0..12_usize, 0..8_u8).prop_map(|(name, host)| Happening::Resolve(name, host)),
        (0..12_usize).prop_map(Happening::Refuse),
        (0..10_u8).prop_map(Happening::Answer),
        (0..10_u8).prop_map(Happening::Fail),
        (0..10_u8).prop_map(Happening::TimeOut),
    ]
}

proptest! {
    #[test]
    fn every_target_ends_in_exactly_one_place(
        names in prop::collection::vec("[a-d]{1,2}", 1..12),
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let targets = TargetHosts::new(names.clone()).unwrap();
        let mut tally = Tally::new(&targets);
        let mut first_answers = std::collections::HashMap::new();
        // Names are looked up once, before anybody is asked.
        let (lookups, answers): (Vec<_>, Vec<_>) = happenings.into_iter().partition(|what| matches!(what, Happening::Resolve(..) | Happening::Refuse(_)));
        for what in lookups.into_iter().chain(answers) {
            match what {
                Happening::Resolve(name, host) if name < targets.names().len() => tally.resolve(name, host, Sighting::default()),
                Happening::Refuse(name) if name < targets.names().len() => tally.refuse(name, "unknown".into()),
                Happening::Answer(host) | Happening::Fail(host) | Happening::TimeOut(host) => {
                    let awaited = tally.awaits(&host);
                    let answer = match what {
                        Happening::Answer(_) => Answer::Rows(Vec::new()),
                        Happening::Fail(_) => Answer::Failed("broken".into()),
                        _ => Answer::TimedOut("late".into()),
                    };
                    let counted = tally.answer(&host, answer.clone());
                    prop_assert_eq!(counted, awaited, "an answer counts once, and only of a host that was asked");
                    if counted {
                        first_answers.insert(host, answer);
                    }
                }
                _ => {}
            }
        }
        let outcome = tally.finish();
        let keys = |key: &str| -> Vec<String> {
            match &outcome.result[key] {
                Value::Object(map) => map.keys().cloned().collect(),
                Value::Array(items) => items.iter().map(|item| item.as_str().unwrap().to_owned()).collect(),
                other => panic!("{other}"),
            }
        };
        let all: Vec<String> = ["results", "timed_out_hosts", "failed_hosts"].iter().flat_map(|key| keys(key)).collect();
        prop_assert_eq!(all.len(), targets.names().len(), "no target twice");
        let given: BTreeSet<&String> = names.iter().collect();
        prop_assert_eq!(all.iter().collect::<BTreeSet<_>>(), given, "and none left out");
        let incomplete = !keys("timed_out_hosts").is_empty() || !keys("failed_hosts").is_empty();
        prop_assert_eq!(outcome.partial, incomplete);
        prop_assert_eq!(&outcome.result["partial"], &Value::Bool(incomplete));
    }
}

#[test]
fn no_target_is_an_error_and_never_everybody() {
    for names in [vec![], vec![String::new()], vec!["a".to_owned(), " \t".to_owned()]] {
        assert!(TargetHosts::new(names.clone()).is_err(), "{names:?}");
    }
    assert_eq!(
        TargetHosts::new([" a ".to_owned(), "a".to_owned()]).unwrap().names(),
        ["a"]
    );
}
