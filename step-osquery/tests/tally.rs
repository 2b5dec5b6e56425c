//! Every target is answered, refused, or remarked on: exactly one of them.

use std::collections::BTreeSet;

use proptest::prelude::*;
use step_osquery::live_query::TargetHosts;
use step_osquery::live_query::{Sighting, Tally};

#[derive(Debug, Clone)]
enum Happening {
    Resolve(usize, u8),
    Refuse(usize),
    Answer(u8),
    GiveUp(u8),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0..12_usize, 0..8_u8).prop_map(|(name, host)| Happening::Resolve(name, host)),
        (0..12_usize).prop_map(Happening::Refuse),
        (0..10_u8).prop_map(Happening::Answer),
        (0..10_u8).prop_map(Happening::GiveUp),
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
        let mut answered: Vec<String> = Vec::new();
        // Names are looked up once, before anybody is asked.
        let (lookups, answers): (Vec<_>, Vec<_>) = happenings.into_iter().partition(|what| matches!(what, Happening::Resolve(..) | Happening::Refuse(_)));
        for what in lookups.into_iter().chain(answers) {
            match what {
                Happening::Resolve(name, host) if name < targets.names().len() => tally.resolve(name, host, Sighting::default()),
                Happening::Refuse(name) if name < targets.names().len() => tally.refuse(name, "unknown".into()),
                Happening::Answer(host) | Happening::GiveUp(host) => {
                    let awaited = tally.awaits(&host);
                    let counted = match what {
                        Happening::GiveUp(_) => tally.give_up(&host, "late".into()),
                        _ => tally.answered_by(&host),
                    };
                    prop_assert_eq!(counted, awaited, "an answer counts once, and only of a host that was asked");
                    if counted && matches!(what, Happening::Answer(_)) {
                        answered.extend(tally.names(&host).map(str::to_owned));
                    }
                }
                _ => {}
            }
        }
        let refused: Vec<String> = tally.refused().map(|(name, _)| name.to_owned()).collect();
        let noted = tally.finish().notes.into_iter().map(|(name, _)| name);
        let all: Vec<String> = answered.into_iter().chain(refused).chain(noted).collect();
        prop_assert_eq!(all.len(), targets.names().len(), "no target twice");
        let given: BTreeSet<&String> = names.iter().collect();
        prop_assert_eq!(all.iter().collect::<BTreeSet<_>>(), given, "and none left out");
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
