//! A fleet that changes by a script, poll by poll.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sim::fleet::FleetServer;

use super::fleet;
use crate::command::finish;
use crate::poll::polled::Polled;
use sim::scripted_fleet::{CYCLES, SLOW, Script, assert_told, in_words};

#[tokio::test(flavor = "multi_thread")]
async fn a_scripted_fleet_is_told_exactly_with_one_report_failing_and_one_slow() {
    /// The cycle in which the slow report is as slow as reports get.
    const SLOWEST: usize = 3;
    let server = FleetServer::start(Script::fleet(fleet())).await.unwrap();
    let mut polled = Polled::new("fleetdm", server.url(), &json!({}), &json!({}));
    let mut script = Script::new();
    for cycle in 0..CYCLES {
        let slow = Duration::from_millis(if cycle == SLOWEST { 20_000 } else { 1_000 });
        let expected = script.play(&server, slow).await;
        let polling = polled.command(&["--once"]).spawn().unwrap();
        let mut events = Vec::new();
        if cycle == SLOWEST {
            events = everything_but_the_slow_report(&server, &mut polled, &expected).await;
        }
        let done = finish(polling).await;
        events.extend(polled.delivered());
        assert_eq!(done.code(), if script.is_last() { 0 } else { 3 }, "{}", done.stderr);
        let notices = events.iter().filter(|event| event["kind"] == "notice");
        let notices: Vec<String> = notices.map(|notice| notice["code"].to_string()).collect();
        // The fifth failure in a row is alarming, and so is its end worth telling.
        let due: &[&str] = match cycle {
            4 => &["\"report-failing\""],
            _ if script.is_last() => &["\"report-recovered\""],
            _ => &[],
        };
        assert_eq!(notices, due, "cycle {cycle}");
        let told = events.iter().filter_map(in_words).collect();
        assert_told(&format!("cycle {cycle}"), told, &expected);
    }
    let text = std::fs::read_to_string(polled.path("events.ndjson")).unwrap();
    let keys = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["dedupe_key"].to_string());
    let distinct: std::collections::HashSet<String> = keys.collect();
    assert_eq!(distinct.len(), text.lines().count(), "every event has a key of its own");
    assert_eq!(server.unknown_paths(), Vec::<String>::new());
}

/// Waits until everything is delivered that does not come of the slow report, and returns it. Panics if it takes until that
/// report has come.
async fn everything_but_the_slow_report(server: &FleetServer, polled: &mut Polled, expected: &[String]) -> Vec<Value> {
    let of_slow = format!(" query-{SLOW} ");
    let (slow, others): (Vec<&String>, Vec<&String>) = expected.iter().partition(|line| line.contains(&of_slow));
    assert!(!slow.is_empty() && others.iter().any(|line| line.starts_with("host ")));
    let (mut events, began) = (Vec::new(), Instant::now());
    while events.iter().filter_map(in_words).count() < others.len() {
        assert!(began.elapsed() < Duration::from_mins(2), "{} events", events.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
        events.extend(polled.delivered());
    }
    let mut told: Vec<String> = events.iter().filter_map(in_words).collect();
    told.sort();
    assert!(
        told.iter().eq(others),
        "the slow report came before the others were through"
    );
    let requests = server.requests();
    let path = format!("/{SLOW}/report");
    let report = requests.iter().rfind(|request| request.path.ends_with(&path)).unwrap();
    assert_eq!(report.status, None, "it is still waited for");
    events
}
