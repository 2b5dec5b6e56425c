//! Reads wrong inputs, as the command does, and returns the problems that are found.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use playbook_host::language::parse_alert;
use playbook_host::poll::ConnectorInputs;
use playbook_host::text::Source;
use playbook_host::{Definition, Diagnostics, Engine, Limits, RunInputs, Runner, Secrets};
use serde_json::{Value, json};

/// A runner with the built-in plugin, made once.
fn runner() -> &'static Runner {
    static RUNNER: OnceLock<Runner> = OnceLock::new();
    RUNNER.get_or_init(|| {
        let load = async {
            // Where the command keeps compiled plugins in the other tests.
            let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("playbook");
            let engine = Engine::new(Some(&cache)).unwrap();
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

/// Reads a playbook or connector file, and prepares it with `inputs` if there are any.
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
            runner().prepare(playbook.clone(), run).map(drop)
        }
        Definition::Connector(connector) => {
            let mut connector_inputs = ConnectorInputs::new(secrets);
            connector_inputs.vars = texts("vars");
            connector_inputs.format = word("format");
            runner().prepare_connector(&connector, connector_inputs).map(drop)
        }
        other => panic!("{other:?}"),
    }
}

/// Reads an input, whose kind the name of its file decides, and returns the problems that are found.
pub(crate) fn found(file: &str, bytes: Vec<u8>, inputs: Option<&Value>) -> Diagnostics {
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
pub(crate) fn secrets(file: &str, bytes: &[u8], mode: u32) -> Result<Secrets, Diagnostics> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    Secrets::from_file(&path)
}

/// Returns problems as `--output json` prints them.
pub(crate) fn records(problems: &Diagnostics) -> Vec<Value> {
    problems.iter().map(|problem| json!(problem.record())).collect()
}
