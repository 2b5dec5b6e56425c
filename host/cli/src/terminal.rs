//! What the command knows of the terminal and of the wishes of whoever sits at it.

use crate::output;

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

/// How wide the terminal is that stdout goes to; `COLUMNS` overrides it. None when it goes elsewhere.
pub(crate) fn terminal_width() -> Option<usize> {
    columns()
        .filter(|columns| *columns > 0)
        .or_else(output::width_of_stdout)
}
