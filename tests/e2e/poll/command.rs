//! `playbook poll` as a command: arguments, sinks, signals, metrics, and what they say when it goes wrong.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sim::fleet::{Fleet, FleetServer, HostStatus, SavedQuery};
use sim::{Fault, Host, What};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use wiremock::matchers::{body_partial_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::polled::{Polled, TOKEN};
use crate::command::{Finished, finish, run};

pub(crate) fn hosts(count: usize) -> Vec<Host> {
    vec![Host {
        hostname: "host-{n}".into(),
        count,
        ..Host::default()
    }]
}

pub(crate) fn fleet(count: usize) -> Fleet {
    Fleet {
        token: TOKEN.into(),
        role: "observer".into(),
        hosts: hosts(count),
        ..Fleet::default()
    }
}

pub(crate) async fn start(fleet: Fleet, options: Value) -> (FleetServer, Polled) {
    let server = FleetServer::start(fleet).await.unwrap();
    let polled = Polled::new("fleetdm", server.url(), &json!({}), &options);
    (server, polled)
}

/// A fault for which requests of this path wait longer than any test.
fn never_answers(path: &str) -> Fault {
    Fault {
        path: path.into(),
        query: None,
        times: None,
        what: What::Delay(600_000),
    }
}

#[cfg(unix)]
pub(crate) fn signal(child: &tokio::process::Child, signal: rustix::process::Signal) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn it_polls_on_its_interval_serves_counters_and_ends_on_request() {
    let (server, mut polled) = start(fleet(3), json!({"poll_interval_seconds": 1})).await;
    let mut child = polled.command(&["--metrics", "0"]).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines: Vec<String> = Vec::new();
    let mut until = async |words: &str, lines: &mut Vec<String>| {
        while let Ok(Some(line)) = stderr.next_line().await {
            lines.push(line);
            if lines.last().unwrap().contains(words) {
                return lines.last().unwrap().clone();
            }
        }
        panic!("`{words}` never came: {lines:#?}");
    };
    let serving = until("/metrics", &mut lines).await;
    let address = serving
        .split("http://")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let first = until("hosts: 3 hosts", &mut lines).await;
    assert!(
        first.contains("corp  hosts: 3 hosts, 3 changed, 3 events in") && first.contains("; next in"),
        "{first}"
    );
    server.set_host_status(101, HostStatus::Offline).unwrap();
    until("1 changed", &mut lines).await;

    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).await.unwrap();
    for line in [
        "playbook_poll_events_total{connector=\"corp\",severity=\"info\"} 3",
        "playbook_poll_events_total{connector=\"corp\",severity=\"low\"} 1",
        "playbook_poll_cycles_total{connector=\"corp\",stream=\"hosts\",result=\"success\"}",
        "playbook_poll_cycle_duration_seconds_bucket",
        "playbook_poll_last_success_timestamp_seconds{connector=\"corp\",stream=\"reports\"}",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    signal(&child, rustix::process::Signal::TERM);
    let status = child.wait().await.unwrap();
    assert_eq!(status.code(), Some(0), "asked to stop is how it ends");
    assert_eq!(polled.delivered().len(), 4);
}

#[tokio::test]
async fn one_state_is_for_one_process_and_one_server() {
    let (_server, polled) = start(
        Fleet {
            faults: vec![never_answers("/hosts")],
            ..fleet(1)
        },
        json!({}),
    )
    .await;
    let mut holder = polled.command(&[]).spawn().unwrap();
    let mut line = BufReader::new(holder.stderr.take().unwrap()).lines();
    // The reports are through, so the state is open.
    line.next_line().await.unwrap();
    let second = finish(polled.command(&["--once"]).spawn().unwrap()).await;
    assert_eq!(second.code(), 2);
    assert!(second.stderr.contains("in use by another process"), "{}", second.stderr);
    holder.kill().await.unwrap();

    let elsewhere = FleetServer::start(fleet(1)).await.unwrap();
    let file = std::fs::read_to_string(polled.path("connector.yaml")).unwrap();
    let mut file: Value = serde_json::from_str(&file).unwrap();
    file["config"]["base_url"] = json!(elsewhere.url());
    std::fs::write(polled.path("connector.yaml"), file.to_string()).unwrap();
    let foreign = finish(polled.command(&["--once"]).spawn().unwrap()).await;
    assert_eq!(foreign.code(), 2);
    assert!(
        foreign.stderr.contains("give the connector another name"),
        "{}",
        foreign.stderr
    );
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_webhook_gets_batches_until_it_takes_them() {
    let webhook = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(1)
        .mount(&webhook)
        .await;
    let expected = json!({"connector_id": "corp", "connector_type": "fleetdm", "source_format": "aisoc"});
    Mock::given(method("POST"))
        .and(path("/v1/ingest/batch"))
        .and(header("x-tenant-id", "t-1"))
        .and(header("authorization", format!("Bearer {TOKEN}").as_str()))
        .and(body_partial_json(expected))
        .respond_with(ResponseTemplate::new(202))
        .mount(&webhook)
        .await;
    let (_server, polled) = start(fleet(700), json!({})).await;
    let url = format!("{}/v1/ingest/batch?key=not-for-logs", webhook.uri());
    let more = [
        "--once",
        "--sink",
        &url,
        "--sink-header",
        "X-Tenant-ID: t-1",
        "--sink-header",
        "Authorization: Bearer {{ secrets.token }}",
    ];
    let done = finish(polled.command(&more).spawn().unwrap()).await;
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert!(
        done.stderr.contains("takes no events: it answered 503"),
        "{}",
        done.stderr
    );
    assert!(
        !done.stderr.contains("not-for-logs") && !done.stderr.contains(TOKEN),
        "{}",
        done.stderr
    );
    let requests = webhook.received_requests().await.unwrap();
    let sizes: Vec<usize> = requests
        .iter()
        .map(|request| {
            serde_json::from_slice::<Value>(&request.body).unwrap()["events"]
                .as_array()
                .unwrap()
                .len()
        })
        .collect();
    assert_eq!(sizes, [500, 500, 200], "the refused one again, then the rest");
}

#[tokio::test]
async fn the_next_page_of_hosts_is_asked_for_before_the_last_one_is_taken() {
    let (server, polled) = start(fleet(1_700), json!({})).await;
    let server = Arc::new(server);
    let fleet = Arc::clone(&server);
    let webhook = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(move |_: &wiremock::Request| {
            // One page is being delivered, one waits for that, and one is not taken yet.
            let requests = fleet.requests();
            let asked = requests.iter().any(|request| request.path.contains("/hosts?page=3&"));
            ResponseTemplate::new(if asked { 202 } else { 503 })
        })
        .mount(&webhook)
        .await;
    let child = polled.command(&["--once", "--sink", &webhook.uri()]).spawn().unwrap();
    // If it were asked for later, this would not end.
    let done = tokio::time::timeout(Duration::from_secs(30), finish(child))
        .await
        .unwrap();
    assert_eq!(done.code(), 0, "{}", done.stderr);
}

#[tokio::test]
async fn events_go_to_standard_output_unless_told_otherwise() {
    let (server, polled) = start(fleet(2), json!({})).await;
    let (file, state) = (polled.path("connector.yaml"), polled.path("state"));
    let args = [
        "poll",
        file.to_str().unwrap(),
        "--once",
        "--state",
        state.to_str().unwrap(),
    ];
    let done = run(&args, &[("token", TOKEN)]).await;
    assert_eq!((done.code(), done.stdout.lines().count()), (0, 2), "{}", done.stderr);
    // A reader that goes away ends the polling, and what it did not read comes again.
    server.set_host_status(101, HostStatus::Offline).unwrap();
    let mut command = crate::command::playbook(&args, &[("token", TOKEN)]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let gone = finish(child).await;
    assert_eq!(gone.code(), 1);
    assert!(gone.stderr.contains("standard output"), "{}", gone.stderr);
    let again = run(&args, &[("token", TOKEN)]).await;
    assert!(again.stdout.contains("offline"), "{}", again.stderr);
    assert!(again.stderr.contains("delivered again"), "{}", again.stderr);
}

#[cfg(unix)]
#[tokio::test]
async fn a_sink_may_be_a_device_or_a_pipe() {
    let (_server, mut polled) = start(fleet(2), json!({})).await;
    let done = polled.once(&["--sink", "/dev/stdout"]).await.done;
    assert_eq!((done.code(), done.stdout.lines().count()), (0, 2), "{}", done.stderr);
}

#[tokio::test]
async fn what_a_terminal_would_obey_is_in_no_file_of_events() {
    let mut fleet = fleet(1);
    fleet.hosts[0].hostname = "photo_\u{202e}gnp.exe".into();
    let (_server, mut polled) = start(fleet, json!({})).await;
    polled.complete().await;
    let text = std::fs::read_to_string(polled.path("events.ndjson")).unwrap();
    assert!(
        text.contains(r"photo_\u202egnp.exe") && !text.contains('\u{202e}'),
        "{text}"
    );
}

#[tokio::test]
async fn a_sink_that_cannot_be_used_is_said_before_anything_is_asked() {
    let (server, polled) = start(fleet(1), json!({})).await;
    for (more, words) in [
        (
            &["--sink", "/nowhere/events.ndjson"][..],
            "cannot write to `/nowhere/events.ndjson`",
        ),
        (&["--sink", "ftp://example.com/"], "is not an http or https URL"),
        (&["--sink", "http://example.com/"], "use https, or --allow-http"),
        (
            &["--sink", "https://example.com", "--sink-header", "no header"],
            "NAME: VALUE",
        ),
        (
            &[
                "--sink",
                "https://example.com",
                "--sink-header",
                "A: {{ secrets.tokn }}",
            ],
            "tokn",
        ),
        (&["--format", "cef"], "there are no events in the form `cef`"),
        (&["--metrics", "everywhere"], "is not an address"),
    ] {
        let mut args = vec!["--once"];
        args.extend(more);
        let done = finish(polled.command(&args).spawn().unwrap()).await;
        assert_eq!(done.code(), 2, "{more:?}: {}", done.stderr);
        assert!(done.stderr.contains(words), "{more:?}: {}", done.stderr);
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn each_wrong_field_of_a_connector_file_is_shown_where_it_stands() {
    let right = "connector: fleetdm
name: corp-fleet
config:
  base_url: https://fleet.example.com
  api_token: \"{{ secrets.token }}\"
  team_id: 3
  verify_tls: true
connector_config:
  poll_interval_seconds: 300
";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corp.yaml");
    let check = async |text: &str| -> Finished {
        std::fs::write(&file, text).unwrap();
        run(&["poll", file.to_str().unwrap(), "--once"], &[("token", TOKEN)]).await
    };
    let of_osctrl = "connector: osctrl
name: corp-osctrl
config:
  base_url: https://osctrl.example.com
  environment: production
  api_token: \"{{ secrets.token }}\"
connector_config:
  rows: changed
";
    for (old, new, place, words) in [
        ("  environment: production\n", "", "3:1", "`environment` is missing"),
        ("production", "a/b", "5:16", "the name or the uuid"),
        ("environment: production", "team_id: 3", "5:3", "team_id"),
        ("https://osctrl", "ldap://osctrl", "4:13", "http"),
        ("{{ secrets.token }}", "{{ secrets.tokn }}", "6:", "tokn"),
        ("rows: changed", "rows: some", "8:9", "all, changed"),
        ("rows: changed", "initial: all", "8:12", "emit, skip"),
        ("rows: changed", "poll_interval_seconds: 86401", "8:26", "at most 86400"),
        ("rows: changed", "flap_window_seconds: 60", "8:3", "flap_window_seconds"),
        ("rows: changed", "concurrent_reports: 8", "8:3", "concurrent_reports"),
    ] {
        let done = check(&of_osctrl.replacen(old, new, 1)).await;
        assert_eq!(done.code(), 2, "{new}: {}", done.stderr);
        let place = format!("corp.yaml:{place}");
        assert!(done.stderr.contains(&place), "{new}: {}", done.stderr);
        assert!(done.stderr.contains(words), "{new}: {}", done.stderr);
    }
    for (old, new, place, words) in [
        ("fleetdm", "fletdm", "1:12", "did you mean `fleetdm`"),
        ("connector: fleetdm", "conector: fleetdm", "1:1", "conector"),
        ("corp-fleet", "corp fleet", "2:7", "name"),
        ("name: corp-fleet\n", "", "1:1", "name"),
        ("https://fleet.example.com", "fleet.example.com", "4:13", "http"),
        (
            "https://fleet.example.com",
            "https://u:p@fleet.example.com",
            "4:13",
            "user name",
        ),
        ("{{ secrets.token }}", "{{ secrets.tokn }}", "5:", "tokn"),
        (
            "  api_token: \"{{ secrets.token }}\"\n",
            "",
            "3:1",
            "credentials are missing",
        ),
        ("\"{{ secrets.token }}\"", "\"\"", "5:14", "must not be empty"),
        (
            "api_token: \"{{ secrets.token }}\"",
            "username: soc@corp.example.com",
            "3:1",
            "belong together",
        ),
        ("config:\n  base", "confg:\n  base", "3:1", "confg"),
        ("team_id: 3", "team_id: three", "6:12", "team_id"),
        ("team_id: 3", "team: 3", "6:3", "team_id"),
        ("verify_tls: true", "verify_tls: \"yes\"", "7:15", "verify_tls"),
        ("verify_tls: true", "ca_file: 7", "7:12", "ca_file"),
        ("verify_tls: true", "ca_file: nowhere.pem", "7:12", "cannot read"),
        ("verify_tls: true", "environment: production", "7:3", "environment"),
        ("300", "0", "9:26", "poll_interval_seconds"),
        ("300", "5m", "9:26", "poll_interval_seconds"),
        ("poll_interval_seconds", "poll_interval", "9:3", "poll_interval_seconds"),
        ("poll_interval_seconds: 300", "initial: all", "9:12", "emit, skip"),
        ("poll_interval_seconds: 300", "rows: some", "9:9", "all, changed"),
        (
            "poll_interval_seconds: 300",
            "flap_window_seconds: -1",
            "9:24",
            "at least 0",
        ),
        (
            "poll_interval_seconds: 300",
            "concurrent_reports: 65",
            "9:23",
            "at most 64",
        ),
        ("connector_config", "connector_confg", "8:1", "connector_config"),
        ("config:\n", "config: [\n", "5:12", "not YAML"),
        ("https://fleet.example.com", "\"{{ alert.url }}\"", "4:", "alert"),
    ] {
        let done = check(&right.replacen(old, new, 1)).await;
        assert_eq!(done.code(), 2, "{new}: {}", done.stderr);
        assert!(
            done.stderr.contains(&format!("corp.yaml:{place}")),
            "{new}: {}",
            done.stderr
        );
        assert!(done.stderr.contains(words), "{new}: {}", done.stderr);
    }
}

#[tokio::test]
async fn a_saved_query_without_an_end_is_no_reason_to_wait_for_ever() {
    let query = SavedQuery {
        name: "who".into(),
        query: "SELECT username FROM users".into(),
        ..SavedQuery::default()
    };
    let (_server, mut polled) = start(
        Fleet {
            queries: vec![query],
            faults: vec![never_answers("/1/report")],
            ..fleet(2)
        },
        json!({}),
    )
    .await;
    let mut child = polled.command(&[]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    assert!(line.contains("hosts: 2 hosts"), "posture does not wait: {line}");
    #[cfg(unix)]
    signal(&child, rustix::process::Signal::INT);
    let ended = tokio::time::timeout(Duration::from_secs(20), child.wait()).await;
    assert_eq!(ended.unwrap().unwrap().code(), Some(0));
    assert_eq!(polled.delivered().len(), 2);
}
