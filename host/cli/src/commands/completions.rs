//! `playbook completions`.

use clap::CommandFactory as _;

use crate::args::{Args, CompletionsArgs};
use crate::error::{CommandError, Exit};
use crate::output::{Text, print};

pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "playbook", &mut script);
    print(Text::own(String::from_utf8_lossy(&script).into_owned()))?;
    Ok(Exit::Success)
}
