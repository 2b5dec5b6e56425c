//! The simulated osctrl server as something whose past is read: queries of others, and answers that come over time.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests talk to servers and look at the clock"
)]

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::DATE;
use serde_json::{Value, json};
use sim::osctrl::{Levels, Oddity, Osctrl, OsctrlServer};
use sim::osquery::Row;
use sim::{Fault, Host};

const SQL: &str = "SELECT pid, name FROM processes";

/// As the ids of nodes go, so do the uuids that are made from them.
fn uuid(node: u64) -> String {
    format!("0A1B2C3D-0000-4000-8000-{node:012}")
}

fn row(pid: &str, name: &str) -> Row {
    let row = json!({"pid": pid, "name": name});
    row.as_object().unwrap().clone()
}

fn host(name: &str) -> Host {
    Host {
        hostname: name.into(),
        tables: [("processes".to_owned(), vec![row("7", name)])].into(),
        ..Host::default()
    }
}

/// A server with three nodes.
async fn server(osctrl: Osctrl) -> OsctrlServer {
    // The HTTP client wants to know its TLS library even where no TLS is spoken.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let hosts = ["web-01", "web-02", "web-03"].map(host).to_vec();
    OsctrlServer::start(Osctrl { hosts, ..osctrl }).await.unwrap()
}

async fn send(server: &OsctrlServer, path: &str) -> reqwest::Response {
    let request = reqwest::Client::new().get(format!("{}/api/v1{path}", server.url()));
    let request = request.header("accept", "application/json");
    let request = request.bearer_auth(Osctrl::default().token);
    request.send().await.unwrap()
}

async fn get(server: &OsctrlServer, path: &str) -> (u16, Value) {
    let answer = send(server, path).await;
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// A list of queries or answers, and one field of its items.
async fn items(server: &OsctrlServer, path: &str, field: &str) -> Vec<Value> {
    let (status, page) = get(server, path).await;
    assert_eq!(status, 200, "{path}: {page}");
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item[field].clone()).collect()
}

fn results(query: &str, params: &str) -> String {
    format!("/queries/production/results/{query}{params}")
}

/// What stands in the stored answers, JSON in JSON.
async fn read(server: &OsctrlServer, query: &str, field: &str) -> Vec<Value> {
    let stored = items(server, &results(query, ""), "data").await;
    let parsed = stored
        .iter()
        .map(|data| serde_json::from_str(data.as_str().unwrap()).unwrap_or(Value::Null));
    parsed.map(|data: Value| data[field].clone()).collect()
}

async fn counters(server: &OsctrlServer, query: &str) -> [Value; 3] {
    let (_, shown) = get(server, &format!("/queries/production/{query}")).await;
    ["executions", "errors", "completed"].map(|name| shown[name].clone())
}

#[tokio::test]
async fn each_list_has_the_queries_that_its_name_says() {
    let server = server(Osctrl::default()).await;
    let start = |hidden| server.start_query(SQL, &[1], hidden);
    let (plain, hidden, done, hidden_done) = (start(false), start(true), start(false), start(true));
    let (expired, deleted) = (start(false), start(false));
    server.answer(&done, 1).await;
    server.answer(&hidden_done, 1).await;
    server.expire_query(&expired);
    server.delete_query(&deleted);
    for (target, names) in [
        ("all", &[&plain, &done, &expired][..]),
        ("all-full", &[&plain, &hidden, &done, &hidden_done, &expired]),
        ("active", &[&plain, &hidden]),
        ("completed", &[&done, &hidden_done]),
        ("expired", &[&expired]),
        ("hidden", &[&hidden, &hidden_done]),
        ("hidden-completed", &[&hidden_done]),
        ("deleted", &[&deleted]),
        ("saved", &[]),
    ] {
        let path = format!("/queries/production/list/{target}?sort=created&dir=asc");
        assert_eq!(json!(items(&server, &path, "name").await), json!(names), "{target}");
    }
    let refused = get(&server, "/queries/production/list/hidden-active").await;
    assert_eq!(refused, (400, json!({"error": "invalid target"})));
    let (_, completed) = get(&server, "/queries/production").await;
    assert_eq!(completed.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn lists_of_queries_are_paged_sorted_and_searched() {
    let server = server(Osctrl::default()).await;
    let mut names = Vec::new();
    for nodes in [&[1, 2][..], &[1], &[1, 2, 3]] {
        let sql = format!("SELECT {} FROM processes", nodes.len());
        names.push(server.start_query(&sql, nodes, false));
        server.advance_clock(60);
    }
    server.answer(&names[1], 1).await;
    server.answer_error(&names[0], 1, "no such table: processes");
    for (params, wanted) in [
        ("", [2, 1, 0].as_slice()),
        ("?sort=created&dir=asc", &[0, 1, 2]),
        ("?sort=created&dir=ASC", &[0, 1, 2]),
        // Without a column that the server knows, the direction counts for nothing.
        ("?dir=asc", &[2, 1, 0]),
        ("?sort=status&dir=asc", &[2, 1, 0]),
        ("?sort=name", &[2, 1, 0]),
        ("?sort=creator&dir=asc", &[0, 1, 2]),
        ("?sort=type&dir=asc", &[0, 1, 2]),
        ("?sort=expected&dir=asc", &[1, 0, 2]),
        ("?sort=executions&dir=desc", &[1, 2, 0]),
        ("?sort=errors", &[0, 2, 1]),
        ("?page_size=2", &[2, 1]),
        ("?page_size=2&page=2", &[0]),
        ("?page_size=2&page=3", &[]),
        ("?q=SELECT+3", &[2]),
        ("?q=analyst&page=0&page_size=-1", &[2, 1, 0]),
        ("?q=S_LECT%251", &[1]),
        ("?q=select", &[]),
    ] {
        let path = format!("/queries/production/list/all{params}");
        let wanted: Vec<&String> = wanted.iter().map(|place| &names[*place]).collect();
        assert_eq!(json!(items(&server, &path, "name").await), json!(wanted), "{params}");
    }
    let (_, page) = get(&server, "/queries/production/list/all?page_size=501").await;
    assert_eq!((&page["page_size"], &page["total_pages"]), (&json!(500), &json!(1)));
    assert_eq!(
        page["items"][0],
        json!({
            "id": 43, "created_at": page["items"][0]["created_at"], "updated_at": page["items"][0]["updated_at"],
            "name": names[2], "creator": "analyst", "query": "SELECT 3 FROM processes", "expected": 3,
            "executions": 0, "errors": 0, "active": true, "hidden": false, "protected": false, "completed": false,
            "deleted": false, "expired": false, "type": "query", "path": "", "environment_id": 1, "extra_data": "",
            "expiration": page["items"][0]["expiration"], "target": "",
        })
    );
}

#[tokio::test]
async fn answers_come_when_the_script_says_so() {
    let server = server(Osctrl::default()).await;
    let query = server.start_query(SQL, &[1, 2], false);
    assert_eq!(
        get(&server, &results(&query, "")).await.1,
        json!({"items": [], "page": 1, "page_size": 100, "total_items": 0, "total_pages": 0})
    );
    server.answer(&query, 1).await;
    // A node that is sent the query again answers what is the case then.
    server.set_table(1, "processes", vec![row("8", "sh")]);
    server.answer(&query, 1).await;
    // Neither another node nor an agent that nobody knows is waited for.
    server.answer(&query, 3).await;
    server.answer_foreign(&query, "ffffffff-0000-4000-8000-00000000dead", vec![row("1", "init")]);
    assert_eq!(counters(&server, &query).await, [json!(4), json!(0), json!(false)]);
    server.answer_error(&query, 2, "no such table: processes");
    assert_eq!(counters(&server, &query).await, [json!(4), json!(1), json!(true)]);

    let uuids = items(&server, &results(&query, ""), "uuid").await;
    let stranger = "FFFFFFFF-0000-4000-8000-00000000DEAD".to_owned();
    assert_eq!(uuids, [uuid(1), uuid(1), uuid(3), stranger, uuid(2)]);
    let rows = |pid, name| json!([{"pid": pid, "name": name}]);
    assert_eq!(
        read(&server, &query, "result").await,
        [
            rows("7", "web-01"),
            rows("8", "sh"),
            rows("7", "web-03"),
            rows("1", "init"),
            json!([])
        ]
    );
    let (_, page) = get(&server, &results(&query, "?page=5&page_size=1")).await;
    let failed = json!({"name": query, "result": [], "status": 1, "message": "no such table: processes"});
    assert_eq!(
        page["items"],
        json!([{
            "created_at": page["items"][0]["created_at"], "data": failed.to_string(), "environment": "production",
            "id": 905, "name": query, "status": 1, "uuid": uuid(2),
        }])
    );
}

#[tokio::test]
async fn a_late_answer_is_counted_and_stamped_before_it_can_be_read() {
    let server = server(Osctrl::default()).await;
    let query = server.start_query(SQL, &[1, 2], false);
    server.answer_late(&query, 1).await;
    server.advance_clock(50);
    server.answer(&query, 2).await;
    assert_eq!(counters(&server, &query).await, [json!(2), json!(0), json!(true)]);
    assert_eq!(items(&server, &results(&query, ""), "uuid").await, [uuid(2)]);
    let newest = items(&server, &results(&query, ""), "created_at").await.remove(0);
    let newest: jiff::Timestamp = newest.as_str().unwrap().parse().unwrap();

    server.store_pending();
    assert_eq!(items(&server, &results(&query, ""), "uuid").await, [uuid(1), uuid(2)]);
    assert_eq!(items(&server, &results(&query, ""), "id").await, [901, 902]);
    // So who reads on from the newest answer misses it, and who starts a minute earlier does not.
    for (since, found) in [(newest, 0), (newest - jiff::SignedDuration::from_mins(1), 2)] {
        let (_, page) = get(&server, &results(&query, &format!("?since={since}"))).await;
        assert_eq!(page["total_items"], found, "{since}");
        assert_eq!(page["since"], since.to_string());
    }
}

#[tokio::test]
async fn answers_are_paged_in_the_order_of_their_stamps() {
    let server = server(Osctrl::default()).await;
    let query = server.start_query(SQL, &[1, 2, 3], false);
    server.answer_at_once(&query, &[1, 2]).await;
    server.advance_clock(1);
    server.answer(&query, 3).await;
    let stamps = items(&server, &results(&query, ""), "created_at").await;
    assert_eq!(stamps[0], stamps[1]);
    let since = stamps[0].as_str().unwrap();
    // Answers of one moment have no order among them that could be relied on.
    for (params, found) in [
        ("?page_size=2", &[2, 1][..]),
        ("?page_size=2&page=2", &[3]),
        ("?page_size=2&page=3", &[]),
        (&format!("?since={since}"), &[3]),
        (&format!("?since={}", since.replace('Z', "%2B00:00")), &[3]),
        // A plus sign is a space there, and what is no time is ignored.
        (&format!("?since={}", since.replace('Z', "+00:00")), &[2, 1, 3]),
        (&format!("?since={since}[UTC]"), &[2, 1, 3]),
        ("?since=yesterday", &[2, 1, 3]),
    ] {
        let found: Vec<String> = found.iter().map(|node| uuid(*node)).collect();
        let path = results(&query, params);
        assert_eq!(items(&server, &path, "uuid").await, found, "{params}");
    }
    let (_, page) = get(&server, &results(&query, "?page_size=1001&since=yesterday")).await;
    assert_eq!((&page["page_size"], page.get("since")), (&json!(1000), None));
}

#[tokio::test]
async fn what_is_stored_of_an_answer_can_be_odd_double_or_nothing() {
    let server = server(Osctrl::default()).await;
    let query = server.start_query(SQL, &[1, 2, 3], false);
    server.answer_oddly(&query, 1, &Oddity::Null);
    server.answer_oddly(&query, 2, &Oddity::EmptyText);
    server.answer_oddly(&query, 3, &Oddity::Data("not json at all".into()));
    // Nothing can be read from the third, either.
    let parsed = read(&server, &query, "result").await;
    assert_eq!(parsed, [Value::Null, json!(""), Value::Null]);
    let stored = items(&server, &results(&query, ""), "data").await;
    assert_eq!(stored[2], "not json at all");
    assert_eq!(counters(&server, &query).await, [json!(3), json!(0), json!(true)]);

    for (osctrl, of_answer, of_error) in [
        (
            Osctrl {
                stores_twice: true,
                ..Osctrl::default()
            },
            2,
            2,
        ),
        (
            Osctrl {
                stores_answers: false,
                ..Osctrl::default()
            },
            0,
            0,
        ),
        (
            Osctrl {
                drops_errors: true,
                ..Osctrl::default()
            },
            1,
            0,
        ),
    ] {
        let server = self::server(osctrl).await;
        let (answered, failed) = (
            server.start_query(SQL, &[1], false),
            server.start_query(SQL, &[1], false),
        );
        server.answer(&answered, 1).await;
        server.answer_error(&failed, 1, "distributed query is denylisted");
        assert_eq!(items(&server, &results(&answered, ""), "uuid").await.len(), of_answer);
        assert_eq!(items(&server, &results(&failed, ""), "uuid").await.len(), of_error);
        assert_eq!(counters(&server, &answered).await, [json!(1), json!(0), json!(true)]);
        assert_eq!(counters(&server, &failed).await, [json!(0), json!(1), json!(true)]);
        server.set_stores_answers(true);
        server.answer(&answered, 1).await;
        assert!(items(&server, &results(&answered, ""), "uuid").await.len() > of_answer);
    }
}

#[tokio::test]
async fn a_deleted_query_can_be_read_and_a_purged_one_is_gone() {
    let server = server(Osctrl::default()).await;
    let query = server.start_query(SQL, &[1, 2], false);
    server.answer(&query, 1).await;
    server.delete_query(&query);
    server.answer(&query, 2).await;
    assert_eq!(items(&server, &results(&query, ""), "uuid").await, [uuid(1), uuid(2)]);
    server.purge_query(&query);
    let refused = get(&server, &results(&query, "")).await;
    assert_eq!(refused, (404, json!({"error": "query not found"})));
    let (status, shown) = get(&server, &format!("/queries/production/{query}")).await;
    assert_eq!((status, &shown["id"]), (200, &json!(0)));
    // Its name is not given again.
    assert_ne!(server.start_query(SQL, &[1], false), query);
}

#[tokio::test]
async fn nodes_come_change_and_go() {
    let server = server(Osctrl::default()).await;
    let list = "/nodes/production?sort=uuid&dir=asc";
    let before = server.now();
    let added = server.enrol(&host("db-01"));
    server.set_hostname(1, "");
    server.remove_node(2);
    assert_eq!(items(&server, list, "id").await, [1, 3, added]);
    assert_eq!(items(&server, list, "hostname").await, ["", "web-03", "db-01"]);
    assert_eq!(items(&server, list, "localname").await, ["web-01", "web-03", "db-01"]);
    let created = items(&server, list, "created_at").await.pop().unwrap();
    assert!(created.as_str().unwrap().parse::<jiff::Timestamp>().unwrap() >= before);
    let query = server.start_query(SQL, &[added], false);
    server.answer(&query, added).await;
    assert_eq!(
        read(&server, &query, "result").await,
        [json!([{"pid": "7", "name": "db-01"}])]
    );
    server.remove_node(added);
    assert_eq!(items(&server, &results(&query, ""), "uuid").await, [uuid(added)]);
    // Ids are not given again.
    assert_eq!(server.enrol(&host("db-02")), added + 1);
}

#[tokio::test]
async fn a_user_sees_what_the_levels_allow() {
    let nobody = Levels {
        user: false,
        query: false,
        admin: false,
    };
    let user = Levels { user: true, ..nobody };
    let query = Levels { query: true, ..nobody };
    let admin = Levels { admin: true, ..nobody };
    // Who, whether nodes and stats are shown, whether queries are, whether the secret is.
    for (levels, super_admin, [sees, reads, enrols]) in [
        (nobody, false, [false, false, false]),
        (user, false, [true, false, false]),
        (query, false, [false, true, false]),
        (admin, false, [true, true, true]),
        (nobody, true, [true, true, true]),
    ] {
        let server = server(Osctrl {
            levels,
            super_admin,
            ..Osctrl::default()
        })
        .await;
        server.start_query(SQL, &[1], false);
        let (_, me) = get(&server, "/users/me").await;
        assert_eq!(
            (&me["username"], &me["admin"]),
            (&json!("hunter-svc"), &json!(super_admin))
        );
        assert_eq!(
            me["permissions"][Osctrl::default().environment_uuid],
            json!({"user": levels.user, "query": levels.query, "carve": false, "admin": levels.admin})
        );
        let (_, environments) = get(&server, "/environments").await;
        assert_eq!(environments.as_array().map(Vec::len), Some(usize::from(sees)));
        assert_eq!(environments[0].get("secret").is_some(), enrols);
        let (_, stats) = get(&server, "/stats").await;
        let seen = if sees { (3, 1) } else { (0, 0) };
        assert_eq!(
            (&stats["total_nodes"], &stats["total_active_queries"]),
            (&json!(seen.0), &json!(seen.1))
        );
        assert_eq!(stats["environments"].as_array().map(Vec::len), Some(usize::from(sees)));
        for (path, allowed) in [
            ("/nodes/production", sees),
            ("/queries/production/list/all", reads),
            ("/nodes/production/node/web-01", enrols),
        ] {
            let status = if allowed { 200 } else { 403 };
            assert_eq!(get(&server, path).await.0, status, "{path}: {levels:?}");
        }
    }
}

#[tokio::test]
async fn the_server_tells_the_time_of_its_own_clock() {
    let server = server(Osctrl {
        clock_offset_seconds: 3_600,
        ..Osctrl::default()
    })
    .await;
    let ahead = |time: jiff::Timestamp| time.duration_since(jiff::Timestamp::now()).as_secs_f64();
    for seconds in [3_600.0, 4_200.0] {
        let query = server.start_query(SQL, &[1], false);
        server.answer(&query, 1).await;
        let list = "/queries/production/list/all?page_size=1";
        let answer = send(&server, "/nowhere").await;
        let date = answer.headers()[DATE].to_str().unwrap();
        let mut times = vec![DateTimeParser::new().parse_timestamp(date).unwrap(), server.now()];
        for (path, field) in [
            (list, "created_at"),
            (&results(&query, ""), "created_at"),
            ("/nodes/production?q=web-01", "last_seen"),
        ] {
            let shown = items(&server, path, field).await.remove(0);
            times.push(shown.as_str().unwrap().parse().unwrap());
        }
        for time in times {
            assert!((ahead(time) - seconds).abs() < 30.0, "{time}: {seconds}");
        }
        server.advance_clock(600);
    }
}

#[tokio::test]
async fn the_answers_to_one_query_can_fail_or_be_slow_alone() {
    let faults = json!([
        {"path": "/results/query_00000000000000000000000000000029", "what": {"status": 500}, "times": 1},
        {"path": "/results/query_00000000000000000000000000000029", "what": {"delay": 600_000}},
    ]);
    let faults: Vec<Fault> = serde_json::from_value(faults).unwrap();
    let server = server(Osctrl {
        faults,
        ..Osctrl::default()
    })
    .await;
    let [first, second] = [(); 2].map(|()| server.start_query(SQL, &[1], false));
    assert_eq!(get(&server, &results(&first, "")).await.0, 500);
    let (slow, quick) = (results(&first, "?page=1"), results(&second, ""));
    tokio::select! {
        biased;
        _ = get(&server, &slow) => panic!("the slow answer was not slow"),
        (status, _) = get(&server, &quick) => assert_eq!(status, 200),
    }
}
