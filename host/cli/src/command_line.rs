//! Reads the command line, and says what is wrong with it.

use std::ffi::OsString;

use clap::Parser as _;
use playbook_host::text::{visible, without_userinfo};

use crate::args::Args;
use crate::error::Exit;
use crate::output::{self, Text};

/// The arguments; without usable ones, the exit status.
pub(crate) fn read() -> Result<Args, u8> {
    let given: Vec<OsString> = std::env::args_os().collect();
    Args::try_parse_from(&given).map_err(|error| {
        // What it prints has styles and lines of its own, in which those of an argument would not stand out. So it is asked
        // again, about arguments that have none.
        let shown = given.iter().map(|argument| {
            let argument = argument.to_string_lossy();
            visible(&without_userinfo(&argument)).into_owned()
        });
        let error = Args::try_parse_from(shown).err().unwrap_or(error);
        let text = Text::rendered(&error.render().ansi().to_string());
        if error.use_stderr() {
            output::say(text);
        } else if let Err(error) = output::print(text) {
            return output::report(&error) as u8;
        }
        u8::try_from(error.exit_code()).unwrap_or(Exit::InvalidInput as u8)
    })
}
