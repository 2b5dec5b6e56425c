//! `playbook man`.

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::args::{Args, ManArgs};
use crate::error::{CommandError, Exit};
use crate::files::{self, NewFile};
use crate::output::{Padded, Text, print, text};

pub(crate) fn man(args: &ManArgs) -> Result<Exit, CommandError> {
    let mut command = Args::command();
    // Gives the subcommands their full names, and the options that all of them have.
    command.build();
    let Some(dir) = &args.dir else {
        print(Text::own(page(command)?))?;
        return Ok(Exit::Success);
    };
    let mut commands = Vec::new();
    collect(&command, &mut commands);
    let mut planned = Vec::new();
    for command in commands {
        let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
        planned.push(NewFile {
            path: dir.join(format!("{name}.1")),
            text: page(command)?,
        });
    }
    // An older version's pages begin as these do.
    let ours = |there: &str, _: &str| there.lines().any(|line| line.starts_with(".TH playbook"));
    let written = files::write(planned, ours)?.into_iter();
    let shown = written.map(|(path, outcome)| text!("{} {}\n", Padded(outcome.word(), 9), path));
    print(shown.collect::<Text>())?;
    Ok(Exit::Success)
}

/// A command and those below it, but for those that only explain the others.
fn collect(command: &clap::Command, into: &mut Vec<clap::Command>) {
    into.push(command.clone());
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        collect(below, into);
    }
}

fn page(command: clap::Command) -> Result<String, CommandError> {
    let mut page = Vec::new();
    Man::new(command)
        .render(&mut page)
        .map_err(|error| CommandError::failed(format!("cannot make the page: {error}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
