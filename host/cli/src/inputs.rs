//! Reads what the command line names: files, variables, plugins.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use playbook_host::language::parse_alert;
use playbook_host::net::Origin;
use playbook_host::run::record::{RecordError, RunRecord};
use playbook_host::sandbox::{Inspection, PluginError};
use playbook_host::secrets::{LookupError, SecretsCommand};
use playbook_host::text::{Source, without_credentials};
use playbook_host::{Diagnostics, Engine, Limits, Policy, Runner, Secrets};
use serde_json::{Map, Value};

use crate::args::{PluginsArgs, PolicyArgs, SecretsArgs};
use crate::compiler::ChildCompiler;
use crate::error::CommandError;
use crate::lock::Lock;
use crate::output::{say, text};
use crate::reading::read;
use crate::signals;

/// What errors call the plugin that is part of the command.
pub(crate) const BUILT_IN: &str = "built-in";

/// The largest file that is read, in bytes: a plugin may be larger than that only by mistake.
const LARGEST: u64 = 64 << 20;

/// An engine with the user's cache of compiled plugins.
pub(crate) fn engine(limits: &Limits) -> Result<Engine, CommandError> {
    let engine = Engine::new(Engine::user_cache_dir().as_deref()).map_err(|e| CommandError::new(e.to_string()))?;
    Ok(engine.with_compiler(Arc::new(ChildCompiler::new(limits))))
}

/// A runner with the plugins of the command line, and the built-in one unless one of them provides the same step type.
///
/// `files` are what the command is about: the lock files beside them say which plugins may be loaded.
pub(crate) async fn runner(args: &PluginsArgs, files: &[PathBuf]) -> Result<Runner, CommandError> {
    let limits = Limits::default();
    load(Runner::new(engine(&limits)?, limits), args, files).await
}

/// The same, with a policy for what the plugins may reach and use.
pub(crate) async fn runner_under(
    policy: &PolicyArgs,
    plugins: &PluginsArgs,
    files: &[PathBuf],
) -> Result<Runner, CommandError> {
    load(runner_without_plugins(policy)?, plugins, files).await
}

/// The same, for plugins that will connect to something.
pub(crate) async fn connecting_runner(
    policy: &PolicyArgs,
    plugins: &PluginsArgs,
    file: &PathBuf,
) -> Result<Runner, CommandError> {
    let runner = runner_without_plugins(policy)?;
    runner.prepare_to_connect();
    load(runner, plugins, std::slice::from_ref(file)).await
}

fn runner_without_plugins(policy: &PolicyArgs) -> Result<Runner, CommandError> {
    let mut limits = Limits::default();
    let policy = read_policy(policy, &mut limits)?;
    Ok(Runner::new(engine(&limits)?, limits).with_policy(policy))
}

fn read_policy(args: &PolicyArgs, limits: &mut Limits) -> Result<Policy, CommandError> {
    let mut policy = match &args.policy {
        Some(file) => Policy::read(source(file)?, limits)?,
        None => Policy::default(),
    };
    policy.allow_http |= args.allow_http;
    policy.deny_private |= args.deny_private;
    let origins = args.allow_origins.iter().map(|url| {
        Origin::of(url).map_err(|error| {
            let url = without_credentials(url);
            CommandError::new(format!("`--allow-origin {url}` names no server: {error}"))
                .hint("give scheme, host and port, such as https://server.example.com:8443")
        })
    });
    policy.narrow(origins.collect::<Result<_, _>>()?);
    Ok(policy)
}

async fn load(mut runner: Runner, args: &PluginsArgs, files: &[PathBuf]) -> Result<Runner, CommandError> {
    let locks = Lock::find(args.lock.as_deref(), files)?;
    for path in &args.plugins {
        let bytes = read_plugin(path)?;
        let sha256 = inspect(path, &bytes)?.sha256;
        for lock in &locks {
            lock.check(path, &sha256)?;
        }
        // What runs is on record, even where nothing pins it.
        say(text!("plugin {} sha256 {}\n", path, sha256));
        runner
            .load(&path.display().to_string(), &bytes)
            .await
            .map_err(|error| plugin_error(&error))?;
    }
    runner
        .load_built_in(BUILT_IN, embedded_plugin::COMPONENT, embedded_plugin::SHA256)
        .await
        .map_err(|error| plugin_error(&error))?;
    Ok(runner)
}

/// The bytes of a plugin file.
pub(crate) fn read_plugin(path: &Path) -> Result<Vec<u8>, CommandError> {
    let bytes = read(path, LARGEST)?;
    if !bytes.starts_with(b"\0asm") {
        return Err(
            CommandError::new(format!("`{}` is not a WebAssembly file", path.display()))
                .hint("a plugin is a WebAssembly component, usually named *.wasm"),
        );
    }
    Ok(bytes)
}

/// What a plugin file is and says of itself.
pub(crate) fn inspect(path: &Path, bytes: &[u8]) -> Result<Inspection, CommandError> {
    Inspection::read(bytes).map_err(|error| {
        CommandError::new(format!("plugin `{}` cannot be loaded: {error}", path.display())).hint(NO_COMPONENT)
    })
}

const NO_COMPONENT: &str = "a plugin is a WebAssembly component, not a core module";

pub(crate) fn plugin_error(error: &PluginError) -> CommandError {
    let hint = match error {
        PluginError::Load { .. } | PluginError::File { .. } => Some(NO_COMPONENT),
        PluginError::Contract { .. } => Some("`playbook plugin inspect` shows what the built-in plugin looks like"),
        _ => None,
    };
    CommandError::new(error.to_string()).maybe_hint(hint.map(str::to_owned))
}

/// A text that somebody wrote; `-` is standard input.
pub(crate) fn source(path: &Path) -> Result<Source, Diagnostics> {
    if path == Path::new("-") {
        return Source::read_from("standard input", io::stdin());
    }
    Source::read(path)
}

/// These secrets, and those of `names` that they lack, from the command and then the keyring of the command line.
pub(crate) async fn look_up(
    args: &SecretsArgs,
    mut secrets: Secrets,
    names: impl IntoIterator<Item = String> + Clone,
) -> Result<Secrets, CommandError> {
    if let Some(command) = &args.secrets_command {
        let command: SecretsCommand = command.parse().map_err(lookup_error)?;
        let missing = secrets.missing(names.clone());
        if !missing.is_empty() {
            let grace = signals::grace();
            let found = tokio::select! {
                found = command.secrets(&missing) => found.map_err(lookup_error)?,
                // The command is stopped, too.
                () = grace.token().cancelled_owned() => return Err(CommandError::interrupted()),
            };
            secrets = secrets.or(&found);
        }
    }
    #[cfg(feature = "keyring")]
    if let Some(service) = &args.secrets_keyring {
        let missing = secrets.missing(names);
        let found = Secrets::from_keyring(service, &missing).await.map_err(lookup_error)?;
        secrets = secrets.or(&found);
    }
    Ok(secrets)
}

fn lookup_error(error: LookupError) -> CommandError {
    match error {
        LookupError::Map(problems) => problems.into(),
        error => CommandError::new(error.to_string()),
    }
}

/// The secrets of the environment and of a file; the file wins.
pub(crate) fn secrets(file: Option<&Path>) -> Result<Secrets, Diagnostics> {
    let environment = Secrets::from_env();
    Ok(match file {
        Some(path) => Secrets::from_file(path)?.or(&environment),
        None => environment,
    })
}

/// An alert; without one, an empty one.
pub(crate) fn alert(file: Option<&Path>) -> Result<Value, Diagnostics> {
    match file {
        Some(path) => parse_alert(source(path)?),
        None => Ok(Value::Object(Map::new())),
    }
}

/// A recorded run.
pub(crate) fn record(path: &Path) -> Result<RunRecord, CommandError> {
    RunRecord::read(path).map_err(|error| record_error(&error))
}

/// Why a record cannot be written or read.
pub(crate) fn record_error(error: &RecordError) -> CommandError {
    let hint = match error {
        RecordError::NotARecord(_) => Some("records are what `playbook run --record DIR` writes"),
        RecordError::Newer { .. } => Some("a newer version of this program made it, and can read it"),
        _ => None,
    };
    CommandError::new(error.to_string()).maybe_hint(hint.map(str::to_owned))
}

/// What was read, or else its problems go to those found so far: all of them are shown at once.
pub(crate) fn keep<T>(read: Result<T, Diagnostics>, problems: &mut Diagnostics) -> Option<T> {
    read.map_err(|found| problems.extend(found)).ok()
}

/// `NAME=VALUE` pairs. The values are texts, as they are on a command line.
pub(crate) fn assignments(flag: &str, pairs: &[String]) -> Result<Map<String, Value>, CommandError> {
    let mut map = Map::new();
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(CommandError::new(format!(
                "`{flag} {pair}` is not of the form NAME=VALUE"
            )));
        };
        if map.insert(name.to_owned(), Value::String(value.to_owned())).is_some() {
            return Err(CommandError::new(format!("`{flag} {name}=…` is given twice")));
        }
    }
    Ok(map)
}
