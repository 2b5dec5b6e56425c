//! The `playbook` command: a thin layer over the library.

mod args;
mod command_line;
mod commands;
mod compiler;
mod defect;
mod error;
mod files;
mod help;
mod inputs;
mod lock;
mod logging;
mod metrics;
mod output;
mod plan;
mod protection;
mod reading;
mod report_file;
mod run_lines;
mod signals;
mod terminal;
mod watch;

use std::process::ExitCode;

use crate::args::{Args, Command};
use crate::commands::{
    check, completions, demo, explain, init, man, plugin, poll, replay, run, schema, show, templates, test, validate,
};
use crate::error::{CommandError, Exit};

fn main() -> ExitCode {
    if let Some(status) = compiler::asked() {
        return status;
    }
    protection::of_memory();
    let receiving = signals::receive(output::restore_terminal);
    std::panic::set_hook(Box::new(|panic| {
        output::say(defect::said(panic.location(), panic.payload()));
        let _ = output::finish();
    }));
    let status = match (receiving, command_line::read()) {
        (_, Err(status)) => status,
        (Err(error), Ok(_)) => cannot_start(&error),
        (Ok(()), Ok(args)) => match tokio::runtime::Runtime::new() {
            Ok(runtime) => run_in(runtime, args),
            Err(error) => cannot_start(&error),
        },
    };
    if !output::finish() {
        return Exit::Interrupted.into();
    }
    status.into()
}

fn cannot_start(error: &std::io::Error) -> u8 {
    output::report(&CommandError::new(format!("cannot start: {error}"))) as u8
}

fn run_in(runtime: tokio::runtime::Runtime, args: Args) -> u8 {
    logging::start(args.verbose);
    let command = async move {
        tokio::select! {
            biased;
            // Whatever is under way is dropped, with its temporary files and child processes.
            () = signals::at_once() => Ok(Exit::Interrupted),
            done = run_command(args.command, args.verbose) => done,
        }
    };
    // A task runs on a thread that also looks at the sockets: what arrives there wakes no other thread.
    let done = runtime.block_on(runtime.spawn(command)).unwrap_or_else(|error| {
        let panic = error.try_into_panic();
        std::panic::resume_unwind(panic.expect("nobody cancels the task"))
    });
    // A server that does not close its side must not keep the process.
    runtime.shutdown_background();
    if signals::ending() {
        output::restore_terminal();
    }
    done.unwrap_or_else(|error| output::report(&error)) as u8
}

async fn run_command(command: Command, verbosity: u8) -> Result<Exit, CommandError> {
    match command {
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
}
