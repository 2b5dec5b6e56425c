//! Events: their time and their forms.

use serde_json::{Map, Value, json};
use sim::fleet::{Fleet, SavedQuery};

use super::{fleet, hosts, start};
use crate::repository;
use sim::scripted_fleet::KINDS;

#[tokio::test]
async fn time_is_the_servers() {
    let (server, mut polled) = start(Fleet {
        hosts: hosts(&["web-01"]),
        clock_offset_seconds: -86_400 * 400,
        ..fleet()
    })
    .await;
    let events = polled.complete().await;
    let told: jiff::Timestamp = events[0]["time"].as_str().unwrap().parse().unwrap();
    let ago = jiff::Timestamp::now().duration_since(told);
    assert!((ago.as_hours() - 400 * 24).abs() < 2, "{told}");
    assert_eq!(server.unknown_paths(), Vec::<String>::new());
}

#[tokio::test]
async fn every_form_of_event_fits_its_schema() {
    for (form, schema) in [("aisoc", "event"), ("ocsf", "event.ocsf"), ("ecs", "event.ecs")] {
        let path = repository::path(&format!("schemas/{schema}.schema.json"));
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        let queries = KINDS.map(|(table, ..)| SavedQuery {
            name: table.into(),
            query: format!("SELECT * FROM {table}"),
            ..SavedQuery::default()
        });
        let (server, mut polled) = start(Fleet {
            hosts: hosts(&["web-01"]),
            queries: queries.to_vec(),
            report_cap: 5,
            ..fleet()
        })
        .await;
        for (number, (table, column, _)) in (1..).zip(KINDS) {
            let row = Map::from_iter([(column.to_owned(), json!("some-value"))]);
            server.set_rows(101, table, vec![row]).unwrap();
            server.run_saved_query(number, &[101]).await.unwrap();
        }
        // One of them keeps no rows.
        let rows = KINDS.len() - 1;
        server.edit_saved_query(1, |query| query.discard_data = true).unwrap();
        let poll = polled.once(&["--format", form]).await;
        assert_eq!(poll.done.code(), 0, "{}", poll.done.stderr);
        assert_eq!(poll.events.len(), 1 + rows + 1, "a host, rows and a notice");
        for event in &poll.events {
            let wrong: Vec<String> = schema
                .iter_errors(event)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(wrong.is_empty(), "{form}: {wrong:?}\n{event:#}");
        }
        let port = poll
            .events
            .iter()
            .find(|event| event.to_string().contains("listening_ports"));
        let mut shown = port.unwrap().clone();
        for pointer in [
            "/time",
            "/timestamp",
            "/@timestamp",
            "/dedupe_key",
            "/alert_id",
            "/metadata/uid",
            "/metadata/original_time",
            "/metadata/product/url_string",
            "/event/id",
            "/event/reference",
        ] {
            if let Some(varying) = shown.pointer_mut(pointer) {
                *varying = "…".into();
            }
        }
        insta::assert_json_snapshot!(format!("event_{form}"), shown);
    }
}
