//! The `playbook` command: a thin layer over the library.

mod args;
mod check;
mod completions;
mod defect;
mod demo;
mod explain;
mod files;
mod help;
mod init;
mod inputs;
mod lock;
mod man;
mod metrics;
mod plan;
mod plugin;
mod poll;
mod replay;
mod report_file;
mod run;
mod schema;
mod show;
mod stream;
mod templates;
mod test;
mod validate;
mod watch;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use playbook_host::{Diagnostics, visible, visible_json};

use self::args::{Args, Command};

/// Exit statuses. They are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything succeeded.
    Success = 0,
    /// A step failed.
    Failed = 1,
    /// The input was invalid, and nothing was sent.
    InvalidInput = 2,
    /// Finished, and something that was asked for is missing.
    Partial = 3,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CommandError {
    message: String,
    hint: Option<String>,
    exit: Exit,
    /// What is wrong with the input; says all there is to say.
    problems: Diagnostics,
}

impl From<Diagnostics> for CommandError {
    fn from(problems: Diagnostics) -> Self {
        Self {
            problems,
            ..Self::new("the input is invalid")
        }
    }
}

impl CommandError {
    /// The input was invalid, and nothing was sent.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            exit: Exit::InvalidInput,
            problems: Diagnostics::default(),
        }
    }

    /// The input was fine, and what it asks for failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            ..Self::new(message)
        }
    }

    /// Somebody asked to stop before anything was sent.
    pub(crate) fn interrupted() -> Self {
        Self {
            exit: Exit::Interrupted,
            ..Self::new("interrupted while secrets were looked up; nothing was sent")
        }
    }

    pub(crate) fn maybe_hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// Runs the command that the arguments name.
pub(crate) fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        // Nobody is left to tell when stderr is gone.
        let _ = writeln!(
            anstream::stderr(),
            "{}",
            defect::said(panic.location(), panic.payload())
        );
    }));
    let args = Args::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report(&CommandError::new(format!("cannot start: {error}"))).into(),
    };
    let verbosity = args.verbose;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .without_time()
        .with_ansi(std::io::stderr().is_terminal() && !no_color())
        .with_env_filter(match verbosity {
            0 | 1 => "warn",
            2 => "warn,playbook_host=debug",
            _ => "debug",
        })
        .init();
    let done = runtime.block_on(async {
        match args.command {
            Command::Run(args) => run::run(args, verbosity).await,
            Command::Show(args) => show::show(&args),
            Command::Replay(args) => replay::replay(args, verbosity).await,
            Command::Validate(args) => validate::validate(args).await,
            Command::Test(args) => test::test(args).await,
            Command::Explain(args) => explain::explain(&args),
            Command::Poll(args) => poll::poll(args, verbosity).await,
            Command::Check(args) => check::check(args).await,
            Command::Templates(args) => templates::templates(args).await,
            Command::Schema(args) => schema::schema(args).await,
            Command::Init(args) => init::init(args).await,
            Command::Plugin(args) => plugin::plugin(args),
            Command::Demo(args) => demo::demo(args, verbosity).await,
            Command::Completions(args) => completions::completions(&args),
            Command::Man(args) => man::man(&args),
        }
    });
    // A server that does not close its side must not keep the process.
    runtime.shutdown_background();
    done.unwrap_or_else(|error| report(&error)).into()
}

fn report(error: &CommandError) -> Exit {
    if !error.problems.is_empty() {
        return run::show_problems(&error.problems);
    }
    // Nobody is left to tell when stderr is gone.
    let mut stderr = anstream::stderr().lock();
    let (bold, red, reset) = (
        anstyle::Style::new().bold(),
        anstyle::AnsiColor::Red.on_default().bold(),
        anstyle::Reset,
    );
    let _ = writeln!(stderr, "{red}error{reset}{bold}: {}{reset}", shown(&error.message));
    if let Some(hint) = &error.hint {
        let _ = writeln!(stderr, "{bold}help{reset}: {}", shown(hint));
    }
    error.exit
}

/// What a message may hold of others' words cannot drive the terminal.
fn shown(message: &str) -> String {
    message.lines().map(visible).collect::<Vec<_>>().join("\n")
}

/// What the clock on the wall says.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock of the command, for what it shows to people"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// The width of the terminal, as the user wishes it.
#[expect(clippy::disallowed_methods, reason = "a variable that shells set, and no secret")]
fn columns() -> Option<usize> {
    std::env::var("COLUMNS").ok()?.parse().ok()
}

/// Whether the user wants no colours: <https://no-color.org>.
#[expect(
    clippy::disallowed_methods,
    reason = "a variable that is meant for every command, and no secret"
)]
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some()
}

/// Writes a result to stdout. A reader that went away (`| head`) is not an error.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
    let mut stdout = anstream::stdout().lock();
    // Texts were made visible where they were made; what is left can be in JSON alone.
    let text = visible_json(text);
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            // Too late to say that nothing was sent.
            Err(CommandError::failed(format!(
                "cannot write to standard output: {error}"
            )))
        }
        _ => Ok(()),
    }
}
