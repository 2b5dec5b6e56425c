//! Files that people write, and alerts, which attackers have a hand in.

use std::sync::LazyLock;

use playbook_host::language::parse_alert;
use playbook_host::poll::{Connector, ConnectorInputs};
use playbook_host::text::Source;
use playbook_host::{Diagnostics, Engine, Limits, Playbook, RunInputs, Runner, Secrets};
use serde_json::{Map, Value, json};

/// Parts the playbook from the alert in an input.
const NEXT: &[u8] = b"\n===\n";

/// A secret that the files can name. It must show nowhere.
pub(super) const SECRET: &str = "canary-Gq7Zt2";

/// A runner with the real plugin. Its step type and connectors are what files are checked against.
pub(super) static RUNNER: LazyLock<Runner> = LazyLock::new(|| {
    let engine = Engine::new(None).expect("the runtime starts");
    let mut limits = Limits::default();
    // Instrumented code is slow.
    limits.cpu *= 10;
    let mut runner = Runner::new(engine, limits);
    let loading = runner.load("osquery", embedded_plugin::COMPONENT);
    RUNTIME.block_on(loading).expect("the plugin loads");
    runner
});

/// What calls of the plugin run on.
pub(super) static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the runtime starts")
});

/// Loads the plugin that files are checked against, which takes longer than any input may.
pub fn load_plugin() {
    LazyLock::force(&RUNNER);
}

/// A playbook whose templates use an alert in every way that is allowed.
pub(super) static TRIAGE: LazyLock<Playbook> = LazyLock::new(|| {
    let text = r#"
- id: ask
  type: osquery_live_query
  when: alert.severity is defined and alert.severity in ["high", "critical"] or alert.host is defined
  for_each: "{{ alert.items if alert.items is defined else [] }}"
  params:
    backend: fleetdm
    base_url: https://fleet.example.com
    api_token: "{{ secrets.token }}"
    template: recent_files
    template_params:
      directory: "{{ alert.path if alert.path is defined else '/tmp' }}"
      limit: "{{ alert.limit if alert.limit is defined else 5 }}"
    target_hosts: "{{ [item] }}"
- id: look
  type: osquery_live_query
  condition: {field: host, operator: exists}
  params:
    backend: osctrl
    environment: production
    base_url: https://osctrl.example.com
    api_token: "{{ secrets.token }}"
    template: logged_in_users
    target_hosts: ["{{ alert.host }}", "{{ alert.a | upper }}-{{ alert.b }}"]
"#;
    Playbook::parse("triage.yaml", text).expect("it is a playbook")
});

/// A playbook, and what can follow it after a line `===`: an alert.
pub fn playbook(data: &[u8]) {
    let at = data.windows(NEXT.len()).position(|window| window == NEXT);
    let (text, alert) = at.map_or((data, &b"{}"[..]), |at| (&data[..at], &data[at + NEXT.len()..]));
    for name in ["playbook.yaml", "playbook.json"] {
        let source = shown(data, Source::from_bytes(name, text.to_vec()));
        let Some(source) = source else { return };
        let _ = shown(data, Playbook::parse(name, source.text()));
        let _ = shown(data, RUNNER.read(source.clone(), false));
        let playbook = shown(data, RUNNER.read_playbook(source, true));
        let alert = Source::from_bytes("alert.json", alert.to_vec()).and_then(parse_alert);
        if let (Some(playbook), Some(alert)) = (playbook, shown(data, alert)) {
            // What was accepted is accepted again, and has what it says it has.
            assert!(playbook.step_ids().all(|id| !id.is_empty()));
            let _ = shown(data, RUNNER.prepare(playbook.clone(), inputs(alert)));
        }
    }
}

/// An alert, on its way into params.
pub fn alert(data: &[u8]) {
    let source = Source::from_bytes("alert.json", data.to_vec());
    let Some(alert) = shown(data, source.and_then(parse_alert)) else {
        return;
    };
    assert!(alert.is_object() && depth(&alert) <= 128);
    let _ = shown(data, RUNNER.prepare(TRIAGE.clone(), inputs(alert)));
}

/// A connector file.
pub fn connector(data: &[u8]) {
    for name in ["connector.yaml", "connector.json"] {
        let Some(source) = shown(data, Source::from_bytes(name, data.to_vec())) else {
            return;
        };
        let _ = shown(data, Connector::parse(name, source.text()));
        if let Some(connector) = shown(data, RUNNER.read_connector(source)) {
            let mut inputs = ConnectorInputs::new(a_secret());
            inputs.vars = variables();
            inputs.directory = "/nowhere".into();
            let prepared = shown(data, RUNNER.prepare_connector(&connector, inputs));
            if let Some(prepared) = prepared {
                no_secret(data, &format!("{prepared:?}"));
            }
        }
    }
}

/// A file of secrets. Whatever is wrong with it, no value is shown.
pub fn secrets(data: &[u8]) {
    let Some(source) = shown(data, Source::from_bytes("secrets.yaml", data.to_vec())) else {
        return;
    };
    if let Some(secrets) = shown(data, Secrets::parse(source)) {
        assert!(
            secrets
                .names()
                .all(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        );
    }
}

pub(super) fn inputs(alert: Value) -> RunInputs {
    let mut inputs = RunInputs::new(a_secret());
    inputs.alert = alert;
    inputs.vars = variables();
    inputs.directory = "/nowhere".into();
    inputs.skip_unknown_steps = true;
    inputs
}

fn a_secret() -> Secrets {
    Secrets::new([("token".to_owned(), SECRET.to_owned().into())])
}

fn variables() -> Map<String, Value> {
    Map::from_iter([("url".to_owned(), json!("https://fleet.example.com"))])
}

/// What was read, if it was. Else the problems are shown in every form, and nothing in them can act on a terminal, forge a
/// line, or be a secret.
pub(super) fn shown<T>(data: &[u8], read: Result<T, Diagnostics>) -> Option<T> {
    let problems = match read {
        Ok(read) => return Some(read),
        Err(problems) => problems,
    };
    assert!(!problems.is_empty(), "an error says what is wrong");
    assert!(problems.iter().count() < 1_000, "nobody reads so many problems");
    let text = problems.render(false);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    no_secret(data, &text);
    let styled = problems.render(true);
    assert!(only_colours(&styled), "{styled:?}");
    for problem in problems.iter() {
        let record = problem.record();
        let labels = record.related.iter().map(|related| related.message).chain(record.label);
        for text in labels.chain([record.message]).chain(record.hint) {
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }
    no_secret(data, &problems.sarif().to_string());
    None
}

/// The secret is in no text, unless somebody wrote it into the input.
fn no_secret(data: &[u8], text: &str) {
    let written = data.windows(6).any(|window| window == &SECRET.as_bytes()[..6]);
    assert!(written || !text.contains(SECRET), "{text}");
}

/// Whether every escape sequence in a text sets colours.
pub(super) fn only_colours(text: &str) -> bool {
    let mut parts = text.split('\x1b');
    let plain = |part: &str| !part.contains(|c: char| c.is_control() && c != '\n');
    parts.next().is_none_or(plain)
        && parts.all(|part| {
            let rest = part
                .strip_prefix('[')
                .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
            rest.is_some_and(|rest| rest.starts_with('m')) && plain(part)
        })
}

fn depth(value: &Value) -> usize {
    let within = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(map) => map.values().map(depth).max(),
        _ => return 0,
    };
    1 + within.unwrap_or_default()
}
