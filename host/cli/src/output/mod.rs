//! The one way out: everything that the command prints goes through here.
//!
//! A [`Text`] is put together by [`text!`] from literals of this program and from pieces that others wrote. Each
//! piece is freed of secrets and of the passwords of URLs, and what is hidden in it is made visible, as it is put in; so none
//! can act on a terminal or forge a line. JSON is freed of secrets text by text. Both go into the queue of a stream, which
//! a thread of its own writes, so that a reader that does not read holds up nobody.

mod json;
mod redaction;
mod screen;
mod sink;
mod stream;
mod text;

use std::io;

use playbook_host::Diagnostics;
use serde::Serialize;

pub(crate) use json::json_line;
pub(crate) use redaction::hide;
pub(crate) use screen::Screen;
pub(crate) use sink::StdoutSink;
pub(crate) use stream::{stderr, stdout, width_of_stderr, width_of_stdout};
pub(crate) use text::{Padded, Piece, Text, text};

use crate::error::{CommandError, Exit};

/// Writes a result to stdout.
pub(crate) fn print(text: Text) -> Result<(), CommandError> {
    written(stdout().write_and_wait(stream::Job::Text(text.into_string())))
}

/// Writes a result to stdout, as indented JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), CommandError> {
    written(stdout().write_and_wait(stream::Job::Exact(json::json_pretty(value).into_bytes())))
}

/// Writes a result to stdout that is JSON already, such as a schema.
pub(crate) fn print_json_text(text: &str) -> Result<(), CommandError> {
    let text = redaction::show_json(text);
    written(stdout().write_and_wait(stream::Job::Exact(text.into_bytes())))
}

/// What became of a result. A reader that went away (`| head`) is not an error.
pub(crate) fn written(outcome: io::Result<()>) -> Result<(), CommandError> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(CommandError::silent(Exit::Interrupted)),
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            // Too late to say that nothing was sent.
            Err(CommandError::failed(format!(
                "cannot write to standard output: {error}"
            )))
        }
        _ => Ok(()),
    }
}

/// Writes a message to stderr. Errors are ignored: stderr may be closed.
pub(crate) fn say(text: Text) {
    let _ = stderr().write(stream::Job::Text(text.into_string()));
}

/// Shows what is wrong with an input. Nothing was sent.
pub(crate) fn show_problems(problems: &Diagnostics) -> Exit {
    say(text!("{}\n", Text::rendered(&problems.render(true))));
    Exit::InvalidInput
}

/// Says why a command could not do its work.
pub(crate) fn report(error: &CommandError) -> Exit {
    if !error.problems.is_empty() {
        return show_problems(&error.problems);
    }
    let (bold, red, reset) = (
        anstyle::Style::new().bold(),
        anstyle::AnsiColor::Red.on_default().bold(),
        anstyle::Reset,
    );
    if !error.message.is_empty() {
        say(text!("{}error{}{}: {}{}\n", red, reset, bold, error.message, reset));
    }
    if let Some(hint) = &error.hint {
        say(text!("{}help{}: {}\n", bold, reset, hint));
    }
    error.exit
}

/// Says what the user must know of secrets that cannot be kept out of what is shown.
pub(crate) fn warn(warnings: &[String]) {
    let (bold, yellow, reset) = (
        anstyle::Style::new().bold(),
        anstyle::AnsiColor::Yellow.on_default().bold(),
        anstyle::Reset,
    );
    for warning in warnings {
        say(text!("{}warning{}{}: {}{}\n", yellow, reset, bold, warning, reset));
    }
    if !warnings.is_empty() {
        let help = "what need not be hidden belongs into `vars`; for what must, choose another value";
        say(text!("{}help{}: {}\n", bold, reset, help));
    }
}

/// Waits until everything is written, unless nobody reads it and the process is to end. Returns whether it was.
pub(crate) fn finish() -> bool {
    // Other errors of stdout were reported to whoever wrote; nobody is left to report those of stderr to.
    let gave_up = |outcome: io::Result<()>| outcome.is_err_and(|error| error.kind() == io::ErrorKind::Interrupted);
    let given_up = [stdout().wait(), stderr().wait()].map(gave_up);
    given_up == [false, false]
}

/// Removes from the terminal what is redrawn there.
pub(crate) fn restore_terminal() {
    screen::clear();
}
