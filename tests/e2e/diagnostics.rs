//! Wrong inputs and what is said about them: `tests/diagnostics/` holds
//!
//! - `NAME.yaml` or `NAME.json`: a playbook or a connector file,
//! - `NAME.alert.json`: an alert, or `NAME.secrets.yaml`: a file of secrets,
//! - `NAME.inputs.json`, where a case needs it: `alert`, `secrets`, `vars`, `only` and `format` that the file is prepared
//!   with as for a run,
//! - `NAME.txt`: what is found. Its first line has the code, line and column of each problem; then come the texts.
//!
//! A new case is a new file. `UPDATE_CASES=1 cargo test --test e2e -- diagnostics` writes the texts as they are, and the
//! first line only where there is none: the places are meant to be written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use playbook_host::{
    Code, ConnectorInputs, Definition, Diagnostics, Engine, Limits, RunInputs, Runner, Secrets, Shown, Source,
    parse_alert,
};
use serde_json::{Value, json};

/// What no output may hold.
const SECRET: &str = "hunter2";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/diagnostics")
}

/// A runner with the built-in plugin, made once.
fn runner() -> &'static Runner {
    static RUNNER: OnceLock<Runner> = OnceLock::new();
    RUNNER.get_or_init(|| {
        let load = async {
            let engine = Engine::new(Some(Path::new(env!("CARGO_TARGET_TMPDIR")))).unwrap();
            let mut runner = Runner::new(engine, Limits::default());
            runner.load("built-in", embedded_plugin::COMPONENT).await.unwrap();
            runner
        };
        // A runtime of its own, on a thread of its own: the caller may be in another.
        std::thread::scope(|scope| {
            let made = scope.spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(load));
            made.join().unwrap()
        })
    })
}

/// What is wrong with a playbook or connector file, prepared with `inputs` if there are any.
pub(crate) fn problems(source: Source, inputs: Option<&Value>) -> Result<(), Diagnostics> {
    let definition = runner().read(source, false)?;
    let Some(inputs) = inputs else { return Ok(()) };
    let texts = |key: &str| inputs[key].as_object().cloned().unwrap_or_default();
    let secrets = texts("secrets").into_iter();
    let secrets = Secrets::new(secrets.map(|(name, value)| (name, value.as_str().unwrap().to_owned().into())));
    let word = |key: &str| inputs[key].as_str().map(str::to_owned);
    match definition {
        Definition::Playbook(playbook) => {
            let mut run = RunInputs::new(secrets);
            run.alert = inputs["alert"].clone();
            run.vars = texts("vars");
            run.only = word("only");
            runner().prepare(&playbook, run).map(drop)
        }
        Definition::Connector(connector) => {
            let inputs = ConnectorInputs {
                secrets,
                vars: texts("vars"),
                directory: ".".into(),
                format: word("format"),
            };
            runner().prepare_connector(&connector, inputs).map(drop)
        }
        other => panic!("{other:?}"),
    }
}

/// A wrong input by the name of its file.
fn found(file: &str, bytes: Vec<u8>, inputs: Option<&Value>) -> Diagnostics {
    let read = if file.ends_with(".secrets.yaml") {
        secrets(file, &bytes, 0o600).map(drop)
    } else {
        let alert = file.ends_with(".alert.json");
        let source = Source::from_bytes(file, bytes);
        source.and_then(|source| {
            if alert {
                parse_alert(source).map(drop)
            } else {
                problems(source, inputs)
            }
        })
    };
    read.err().unwrap_or_default()
}

/// Reads secrets from a file with these permissions.
fn secrets(file: &str, bytes: &[u8], mode: u32) -> Result<Secrets, Diagnostics> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    Secrets::from_file(&path)
}

/// Cases that are too large for a file, or need more than one.
fn generated() -> Vec<(&'static str, Diagnostics)> {
    let read = |name: &str, text: String| problems(Source::new(name, text), None).unwrap_err();
    let deep = format!("- id: users\n  params: {}x{}\n", "[".repeat(70), "]".repeat(70));
    let large = vec![b' '; (1 << 20) + 1];
    let keys: Vec<String> = (0..300).map(|number| format!("key{number}: 1")).collect();
    let many = keys.join("\n");
    vec![
        (
            "too-many-problems",
            // The last ones are enough to see what is said.
            read(
                "many.yaml",
                format!("steps:\n- {{id: users, type: osquery_live_query}}\n{many}"),
            )
            .into_iter()
            .skip(199)
            .collect(),
        ),
        ("nested-too-deeply", read("deep.yaml", deep)),
        ("too-large", Source::read_from("large.yaml", &large[..]).unwrap_err()),
        (
            "file-missing",
            Source::read(Path::new("/nowhere/triage.yaml")).unwrap_err(),
        ),
        ("file-is-a-folder", Source::read(Path::new("/")).unwrap_err()),
        (
            "name-with-controls",
            Source::read(Path::new("/nowhere/\u{1b}[2J\n.yaml")).unwrap_err(),
        ),
        (
            "secrets-exposed",
            secrets("open.yaml", b"fleetdm_token: hunter2-value\nosctrl_token: ''\n", 0o644).unwrap_err(),
        ),
    ]
}

/// All cases by name.
pub(crate) fn cases() -> BTreeMap<String, Diagnostics> {
    let mut cases: BTreeMap<String, Diagnostics> = generated()
        .into_iter()
        .map(|(name, problems)| (name.to_owned(), problems))
        .collect();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        let (Some(name), false) = (
            file.strip_suffix(".yaml").or(file.strip_suffix(".json")),
            file.ends_with(".inputs.json"),
        ) else {
            continue;
        };
        let inputs = fs::read(path.with_file_name(format!("{name}.inputs.json"))).ok();
        let inputs: Option<Value> = inputs.map(|inputs| serde_json::from_slice(&inputs).unwrap());
        let problems = found(file, fs::read(&path).unwrap(), inputs.as_ref());
        assert!(
            cases.insert(name.to_owned(), problems).is_none(),
            "{name} is there twice"
        );
    }
    cases
}

/// The first line of what is expected: where each problem is.
fn places(problems: &Diagnostics) -> String {
    let places = problems.iter().map(|problem| {
        let record = problem.record();
        match (record.line, record.column) {
            (Some(line), Some(column)) => format!("{} {line}:{column}", record.code),
            _ => record.code.to_string(),
        }
    });
    places.collect::<Vec<_>>().join(", ")
}

#[test]
fn every_wrong_input_is_shown_at_its_place_in_its_own_words() {
    let update = std::env::var_os("UPDATE_CASES").is_some();
    let cases = cases();
    assert!(cases.len() >= 60);
    let mut wrong = Vec::new();
    let mut said = BTreeMap::new();
    for (name, problems) in &cases {
        let text = problems.render(false);
        // Files of secrets are somewhere else each time.
        let text = text.lines().map(|line| match line.split_once("/tmp/") {
            Some((start, path)) => format!("{start}{}\n", path.split_once('/').map_or(path, |(_, file)| file)),
            None => format!("{line}\n"),
        });
        let text: String = text.collect();
        let shown = [
            problems.render(true),
            problems.sarif().to_string(),
            json!(records(problems)).to_string(),
            text.clone(),
        ];
        if problems.is_empty() {
            wrong.push(format!("== {name}: nothing was found"));
        }
        if shown.iter().any(|shown| shown.contains(SECRET)) {
            wrong.push(format!("== {name}: a secret was shown\n{text}"));
        }
        if text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}') {
            wrong.push(format!("== {name}: a control character was shown\n{text:?}"));
        }
        for record in problems.iter().map(playbook_host::Diagnostic::record) {
            if let (Some(line), Some(column)) = (record.line, record.column)
                && !text.contains(&format!(
                    "{}:{line}:{column}\n",
                    record.file.unwrap().rsplit('/').next().unwrap()
                ))
            {
                wrong.push(format!(
                    "== {name}: text and objects disagree on {line}:{column}\n{text}"
                ));
            }
        }
        if text.lines().any(|line| line.chars().count() > 400) {
            wrong.push(format!("== {name}: a line is too long to read\n{text}"));
        }
        // The same mistake reads the same in a playbook, an alert and a file of secrets.
        let kind = name.rsplit_once('.').map(|(_, kind)| kind.to_owned());
        let words = problems.iter().map(|problem| {
            let record = problem.record();
            let texts = [Some(record.message), record.hint, record.label];
            (record.code, texts.map(|text| text.map(str::to_owned)))
        });
        let words = (kind, words.collect::<Vec<_>>());
        if let Some(other) = said.insert(words, name) {
            wrong.push(format!("== {name} reads like {other}\n{text}"));
        }

        let path = folder().join(format!("{name}.txt"));
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let first = expected.lines().next().map_or_else(|| places(problems), str::to_owned);
        let found = format!("{first}\n\n{text}");
        if update {
            fs::write(&path, &found).unwrap();
        } else if found != expected {
            wrong.push(format!("== {name}.txt differs; found:\n{found}"));
        }
        if first != places(problems) {
            wrong.push(format!("== {name}: expected {first}; found {}", places(problems)));
        }
    }
    let known: BTreeSet<String> = cases.keys().map(|name| format!("{name}.txt")).collect();
    for entry in fs::read_dir(folder()).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        if file.rsplit('.').next() == Some("txt") && !known.contains(&file) {
            wrong.push(format!("== {file} belongs to no case"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases are wrong:\n\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

pub(crate) fn records(problems: &Diagnostics) -> Vec<Value> {
    problems.iter().map(|problem| json!(problem.record())).collect()
}

#[test]
fn every_code_comes_from_some_case() {
    let cases = cases();
    let seen: BTreeSet<Code> = cases
        .values()
        .flat_map(Diagnostics::iter)
        .map(playbook_host::Diagnostic::code)
        .collect();
    let unseen: Vec<&Code> = Code::ALL.iter().filter(|code| !seen.contains(code)).collect();
    assert!(unseen.is_empty(), "no case gives {unseen:?}");
    let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.word()).collect();
    assert_eq!(words.len(), Code::ALL.len(), "each has a word of its own");
    for code in Code::ALL {
        assert_eq!(Code::from_word(code.word()), Some(*code));
    }
}

/// A step whose params are these lines, and those they do not give.
pub(crate) fn step(params: &[&str]) -> String {
    let mut text = "- id: users\n  type: osquery_live_query\n  params:\n".to_owned();
    let credentials = ["api_token", "username", "password"];
    let given = |key: &str| params.iter().any(|line| line.starts_with(&format!("{key}:")));
    for (key, value) in [
        ("backend", "fleetdm"),
        ("base_url", "https://fleet.example.com"),
        ("api_token", "\"{{ secrets.fleetdm_token }}\""),
        ("template", "logged_in_users"),
        ("target_hosts", "[web-01]"),
    ] {
        let instead = key == "api_token" && credentials.iter().any(|key| given(key));
        if !given(key) && !instead {
            writeln!(text, "    {key}: {value}").unwrap();
        }
    }
    params.iter().fold(text, |text, line| text + "    " + line + "\n")
}

#[test]
fn the_examples_of_an_explanation_are_what_they_say() {
    let alert = json!({"host": "web-01", "port": 22, "l": (0..400).map(|n| n.to_string()).collect::<Vec<_>>(), "many": (0..1_001).collect::<Vec<_>>()});
    let inputs = json!({
        "alert": alert,
        "vars": {"url": "https://fleet.example.com", "server": "https://fleet.example.com", "fleetdm": "https://fleet.example.com"},
        "secrets": {"fleetdm_token": "token-value", "fleetdm_password": "password-value"},
    });
    for code in Code::ALL {
        let explanation = code.explanation();
        let check = |lines: &[&str]| -> Option<Vec<Code>> {
            let text = lines.join("\n");
            let found = match explanation.shown {
                Shown::Step => {
                    let text = step(&[]) + "  " + &lines.join("\n  ");
                    found("example.yaml", text.into_bytes(), Some(&inputs))
                }
                Shown::Params => found("example.yaml", step(lines).into_bytes(), Some(&inputs)),
                Shown::Playbook => found("example.yaml", text.into_bytes(), None),
                Shown::Connector => found("example.yaml", text.into_bytes(), Some(&inputs)),
                Shown::Alert => found("example.alert.json", text.into_bytes(), None),
                _ => return None,
            };
            Some(found.iter().map(playbook_host::Diagnostic::code).collect())
        };
        let Some(wrong) = check(explanation.wrong) else {
            continue;
        };
        assert!(wrong.contains(code), "the wrong example of {code} gives {wrong:?}");
        let right = check(explanation.right).unwrap();
        // A sketch of a playbook leaves out params.
        let sketch = explanation.shown == Shown::Playbook && !right.contains(code);
        assert!(
            right.is_empty() || sketch,
            "the right example of {code} gives {right:?}"
        );
    }
}
