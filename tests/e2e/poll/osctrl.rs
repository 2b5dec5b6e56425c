//! Polling an osctrl environment: each answer to its distributed queries, once, however late.

use serde_json::{Map, Value, json};
use sim::osctrl::{Levels, Oddity, Osctrl, OsctrlServer};
use sim::{Fault, Host, What};

use super::polled::{Polled, TOKEN, summary};

const ROWS: [&str; 3] = ["query_name", "hostname", "username"];
const USERS: &str = "SELECT username FROM users";

fn osctrl(names: &[&str]) -> Osctrl {
    let host = |name: &&str| Host {
        hostname: (*name).into(),
        ..Host::default()
    };
    Osctrl {
        token: TOKEN.into(),
        // What polling needs, and no more.
        levels: Levels {
            user: true,
            query: true,
            admin: false,
        },
        hosts: names.iter().map(host).collect(),
        ..Osctrl::default()
    }
}

/// A server with three nodes that have a user each.
async fn start(osctrl: Osctrl, options: Value) -> (OsctrlServer, Polled) {
    let server = OsctrlServer::start(osctrl).await.unwrap();
    for (node, name) in [(1, "one"), (2, "two"), (3, "three")] {
        let row = Map::from_iter([("username".to_owned(), json!(format!("user-{name}")))]);
        server.set_table(node, "users", vec![row]);
    }
    let polled = Polled::new("osctrl", server.url(), &json!({"environment": "production"}), &options);
    (server, polled)
}

const THREE: [&str; 3] = ["web-01", "web-02", "db-01"];

#[tokio::test]
async fn each_answer_is_told_once_also_when_it_comes_late_or_is_stored_late() {
    for version in ["0.5.2", "0.5.3", "0.5.4", "0.5.6"] {
        let (server, mut polled) = start(
            Osctrl {
                version: version.into(),
                stores_twice: true,
                ..osctrl(&THREE)
            },
            json!({}),
        )
        .await;
        let old = server.start_query(USERS, &[1, 2, 3], false);
        let hidden = server.start_query(USERS, &[1], true);
        server.answer(&old, 1).await;
        server.answer(&hidden, 1).await;
        let row = |query: &str, host: &str, user: &str| format!("{query} {host} user-{user}");
        assert_eq!(
            summary(&polled.complete().await, &ROWS),
            [row(&old, "web-01", "one"), row(&hidden, "web-01", "one")],
            "{version}"
        );
        assert!(polled.complete().await.is_empty(), "{version}");

        // Counted and stamped now, readable after a later answer was read.
        server.answer_late(&old, 2).await;
        server.advance_clock(5);
        server.answer(&old, 3).await;
        assert_eq!(
            summary(&polled.complete().await, &ROWS),
            [row(&old, "db-01", "three")],
            "{version}"
        );
        server.store_pending();
        assert_eq!(
            summary(&polled.complete().await, &ROWS),
            [row(&old, "web-02", "two")],
            "{version}"
        );

        // An answer that comes days after the query is told like any other, also when the query was deleted meanwhile.
        let late = server.start_query(USERS, &[1, 2], false);
        server.answer(&late, 1).await;
        assert_eq!(polled.complete().await.len(), 1, "{version}");
        server.advance_clock(86_400 * 3);
        assert!(polled.complete().await.is_empty(), "{version}");
        server.answer(&late, 2).await;
        server.delete_query(&late);
        assert_eq!(
            summary(&polled.complete().await, &ROWS),
            [row(&late, "web-02", "two")],
            "{version}"
        );
        assert_eq!(server.unknown_paths(), Vec::<String>::new(), "{version}");
    }
}

#[tokio::test]
async fn an_answer_once_read_is_not_read_again_when_nothing_has_moved() {
    let (server, mut polled) = start(osctrl(&THREE), json!({})).await;
    let query = server.start_query(USERS, &[1, 2, 3], false);
    server.answer_at_once(&query, &[1, 2, 3]).await;
    assert_eq!(polled.complete().await.len(), 3);
    server.advance_clock(61);
    polled.complete().await;
    let before = server.requests().len();
    polled.complete().await;
    let asked: Vec<String> = server.requests()[before..]
        .iter()
        .map(|request| request.path.clone())
        .collect();
    assert!(asked.iter().all(|path| path.contains("/list/")), "{asked:?}");
}

#[tokio::test]
async fn strangers_errors_and_odd_answers_are_what_they_are() {
    let (server, mut polled) = start(osctrl(&THREE), json!({})).await;
    let query = server.start_query(USERS, &[1, 2, 3], false);
    let row = Map::from_iter([("username".to_owned(), json!("stranger"))]);
    server.answer_foreign(&query, "FFFFFFFF-0000-4000-8000-00000000DEAD", vec![row]);
    server.answer_error(&query, 1, "distributed query is denylisted");
    server.answer_oddly(&query, 2, &Oddity::Null);
    server.answer_oddly(&query, 3, &Oddity::Data("no JSON".into()));
    let poll = polled.once(&[]).await;
    assert_eq!((poll.done.code(), poll.events.len()), (0, 0), "{}", poll.done.stderr);
    assert!(poll.done.stderr.contains("were not asked"), "{}", poll.done.stderr);
    assert!(
        poll.done.stderr.contains("errors of their nodes"),
        "{}",
        poll.done.stderr
    );
    // A node that failed may answer yet.
    server.answer(&query, 1).await;
    assert_eq!(
        summary(&polled.complete().await, &ROWS),
        [format!("{query} web-01 user-one")]
    );
}

#[tokio::test]
async fn answers_that_are_counted_and_stored_elsewhere_are_said_once() {
    let (server, mut polled) = start(
        Osctrl {
            stores_answers: false,
            ..osctrl(&THREE)
        },
        json!({}),
    )
    .await;
    let query = server.start_query(USERS, &[1], false);
    server.answer(&query, 1).await;
    assert!(polled.complete().await.is_empty(), "it may only be late");
    server.advance_clock(61);
    assert_eq!(
        summary(&polled.complete().await, &["kind", "code"]),
        ["notice answers-stored-elsewhere"]
    );
    assert!(polled.complete().await.is_empty());
}

#[tokio::test]
async fn answers_that_are_counted_and_never_stored_are_an_alarm_once_until_they_are() {
    let (server, mut polled) = start(osctrl(&THREE), json!({})).await;
    // What was lost before anybody watched is not waited for.
    let old = server.start_query(USERS, &[1, 2], false);
    server.answer(&old, 1).await;
    server.answer_late(&old, 2).await;
    assert_eq!(polled.complete().await.len(), 1);
    let query = server.start_query(USERS, &[1, 2, 3], false);
    // A node that answers twice, and one that was not asked, are counted and stored.
    let fine = server.start_query(USERS, &[1], false);
    for _ in 0..2 {
        server.answer(&fine, 1).await;
    }
    server.answer_foreign(&fine, "FFFFFFFF-0000-4000-8000-00000000DEAD", Vec::new());
    server.answer(&query, 1).await;
    server.answer_late(&query, 2).await;
    assert_eq!(polled.complete().await.len(), 2);
    server.advance_clock(61);
    let mut told = Vec::new();
    for poll in 1..=8 {
        server.advance_clock(300);
        let said = summary(&polled.complete().await, &["code", "external_id"]);
        told.extend(said.into_iter().map(|said| (poll, said)));
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].0 == 5 && told[0].1.starts_with(&format!("answers-stalled {query}")),
        "{told:?}"
    );
    server.store_pending();
    let events = polled.complete().await;
    assert_eq!(
        summary(&events, &["kind", "code", "hostname"]),
        ["notice answers-moving -", "query_row - web-02"]
    );
    assert!(polled.complete().await.is_empty());
}

#[tokio::test]
async fn rows_that_the_node_had_before_are_told_again_unless_only_changed_ones_are_wanted() {
    let rows = |names: &[&str]| -> Vec<Map<String, Value>> {
        let row = |name: &&str| Map::from_iter([("username".to_owned(), json!(name))]);
        names.iter().map(row).collect()
    };
    for option in ["all", "changed"] {
        let (server, mut polled) = start(osctrl(&THREE), json!({"rows": option})).await;
        let ask = async |sql: &str| {
            let query = server.start_query(sql, &[1, 2], false);
            server.answer(&query, 1).await;
            server.answer(&query, 2).await;
            query
        };
        // Two runs of one statement in one poll are compared, too.
        let queries = [ask(USERS).await, ask(USERS).await];
        let told = summary(&polled.complete().await, &["hostname", "username"]);
        let once = ["web-01 user-one", "web-02 user-two"];
        let twice = [
            "web-01 user-one",
            "web-01 user-one",
            "web-02 user-two",
            "web-02 user-two",
        ];
        assert_eq!(told, if option == "all" { &twice[..] } else { &once }, "{option}");

        server.set_table(1, "users", rows(&["user-one", "intruder"]));
        ask(&format!(" {USERS}\n")).await;
        ask("SELECT username FROM users LIMIT 1").await;
        let told = summary(&polled.complete().await, &["hostname", "username"]);
        let all = [
            "web-01 intruder",
            "web-01 user-one",
            "web-01 user-one",
            "web-02 user-two",
            "web-02 user-two",
        ];
        let changed = ["web-01 intruder", "web-01 user-one", "web-02 user-two"];
        assert_eq!(told, if option == "all" { &all[..] } else { &changed }, "{option}");

        // A row that was away and is back has changed.
        server.set_table(1, "users", rows(&["user-one"]));
        ask(USERS).await;
        polled.complete().await;
        server.set_table(1, "users", rows(&["user-one", "intruder"]));
        ask(USERS).await;
        let told = summary(&polled.complete().await, &["hostname", "username"]);
        let told: Vec<_> = told.iter().filter(|told| told.ends_with("intruder")).collect();
        assert_eq!(told.len(), 1, "{option}");
        for query in queries {
            server.purge_query(&query);
        }
        for _ in 0..2 {
            assert!(polled.complete().await.is_empty(), "{option}: forgetting tells nothing");
        }
        ask(USERS).await;
        let told = polled.complete().await.len();
        assert_eq!(
            told,
            if option == "all" { 3 } else { 0 },
            "{option}: other queries ask the same"
        );
    }
}

#[tokio::test]
async fn a_query_that_cannot_be_read_does_not_stop_the_others_and_goes_on_where_it_was() {
    let (server, mut polled) = start(osctrl(&THREE), json!({})).await;
    let (broken, fine) = (
        server.start_query(USERS, &[1, 2], false),
        server.start_query(USERS, &[3], false),
    );
    server.answer(&broken, 1).await;
    assert_eq!(polled.complete().await.len(), 1);
    server.set_faults(vec![Fault {
        path: format!("/results/{broken}"),
        query: None,
        times: None,
        what: What::Status(500),
    }]);
    server.answer(&broken, 2).await;
    server.answer(&fine, 3).await;
    let poll = polled.once(&[]).await;
    assert_eq!(poll.done.code(), 3, "{}", poll.done.stderr);
    assert_eq!(summary(&poll.events, &ROWS), [format!("{fine} db-01 user-three")]);
    assert!(poll.done.stderr.contains("could not be read"), "{}", poll.done.stderr);
    server.set_faults(Vec::new());
    assert_eq!(
        summary(&polled.complete().await, &ROWS),
        [format!("{broken} web-02 user-two")]
    );
}

#[tokio::test]
async fn the_first_poll_may_only_remember() {
    let (server, mut polled) = start(osctrl(&THREE), json!({"initial": "skip"})).await;
    let query = server.start_query(USERS, &[1, 2], false);
    server.answer(&query, 1).await;
    assert!(polled.complete().await.is_empty());
    server.answer(&query, 2).await;
    assert_eq!(
        summary(&polled.complete().await, &ROWS),
        [format!("{query} web-02 user-two")]
    );
}

#[tokio::test]
async fn six_hundred_queries_are_listed_in_pages_and_none_is_forgotten_while_pages_move() {
    let (server, mut polled) = start(osctrl(&THREE), json!({})).await;
    let queries: Vec<String> = (0..600).map(|_| server.start_query(USERS, &[1], false)).collect();
    server.answer(&queries[0], 1).await;
    server.answer(&queries[599], 1).await;
    assert_eq!(polled.complete().await.len(), 2);
    for query in &queries[1..100] {
        server.purge_query(query);
    }
    server.answer(&queries[598], 1).await;
    assert_eq!(polled.complete().await.len(), 1);
    assert!(polled.complete().await.is_empty(), "what was told is still known");
}
