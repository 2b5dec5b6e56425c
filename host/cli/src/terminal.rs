//! What the command prints, and what it knows of the terminal it prints to.

use std::io::Write as _;

use playbook_host::Diagnostics;
use playbook_host::text::{visible, visible_json};

use crate::error::{CommandError, Exit};

pub(crate) fn report(error: &CommandError) -> Exit {
    if !error.problems.is_empty() {
        return show_problems(&error.problems);
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
pub(crate) fn now() -> jiff::Timestamp {
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
pub(crate) fn no_color() -> bool {
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

/// Shows what is wrong with an input. Nothing was sent.
pub(crate) fn show_problems(problems: &Diagnostics) -> Exit {
    // Nobody is left to tell when stderr is gone.
    let _ = writeln!(anstream::stderr(), "{}", problems.render(true));
    Exit::InvalidInput
}

/// How wide the terminal is that stdout goes to; `COLUMNS` overrides it. None when it goes elsewhere.
pub(crate) fn terminal_width() -> Option<usize> {
    columns().filter(|columns| *columns > 0).or_else(|| {
        let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
        Some(usize::from(width.0))
    })
}
