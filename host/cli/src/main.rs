//! The `playbook` command: a thin layer over the library.

mod args;
mod commands;
mod defect;
mod error;
mod files;
mod help;
mod inputs;
mod lock;
mod metrics;
mod plan;
mod reading;
mod report_file;
mod signals;
mod stream;
mod terminal;
mod watch;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command};
use crate::commands::{
    check, completions, demo, explain, init, man, plugin, poll, replay, run, schema, show, templates, test, validate,
};
use crate::error::CommandError;

fn main() -> ExitCode {
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
        Err(error) => return terminal::report(&CommandError::new(format!("cannot start: {error}"))).into(),
    };
    let verbosity = args.verbose;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .without_time()
        .with_ansi(std::io::stderr().is_terminal() && !terminal::no_color())
        .with_env_filter(match verbosity {
            0 | 1 => "warn",
            2 => "warn,playbook=debug,playbook_host=debug",
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
    done.unwrap_or_else(|error| terminal::report(&error)).into()
}
