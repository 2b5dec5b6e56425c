//! Runs the real command in a clean environment.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::process::{Child, Command};

/// What a finished command left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    pub(crate) fn code(&self) -> i32 {
        self.status.code().expect("the command was not killed")
    }

    /// The run's report, if `--output json` was given.
    pub(crate) fn report(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }
}

/// The command with these arguments. Nothing of this process's environment reaches it but what it needs to start.
pub(crate) fn playbook(args: &[&str], secrets: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_playbook"));
    command
        .args(args)
        .env_clear()
        .env("XDG_CACHE_HOME", cache_home())
        .kill_on_drop(true);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in secrets {
        command.env(format!("PLAYBOOK_SECRET_{}", name.to_uppercase()), value);
    }
    command
}

/// Runs the command to its end.
pub(crate) async fn run(args: &[&str], secrets: &[(&str, &str)]) -> Finished {
    let child = playbook(args, secrets).spawn().expect("the command starts");
    let finished = finish(child).await;
    for (name, value) in secrets {
        for spelling in spellings(value) {
            for output in [&finished.stdout, &finished.stderr] {
                assert!(
                    !output.contains(&spelling),
                    "{args:?} printed the secret `{name}` as {spelling}"
                );
            }
        }
    }
    finished
}

/// The ways in which a secret could be written.
fn spellings(value: &str) -> Vec<String> {
    let json = serde_json::Value::from(value).to_string();
    let mut spellings = vec![
        value.to_owned(),
        json[1..json.len() - 1].to_owned(),
        utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
        STANDARD_NO_PAD.encode(value),
        URL_SAFE_NO_PAD.encode(value),
    ];
    // What is this short is found everywhere.
    spellings.retain(|spelling| spelling.len() >= 8);
    spellings
}

pub(crate) async fn finish(child: Child) -> Finished {
    let output = child.wait_with_output().await.expect("the command ends");
    let text = |bytes| String::from_utf8(bytes).expect("the command prints UTF-8");
    Finished {
        status: output.status,
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Shared by all tests of a build, so that the plugin is compiled once.
pub(crate) fn cache_home() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}
