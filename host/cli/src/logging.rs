//! The log: what the libraries say of their work.

use std::io;

use tracing_subscriber::fmt::MakeWriter;

use crate::output::{self, text};

/// Starts to log, as much as was asked for.
pub(crate) fn start(verbosity: u8) {
    tracing_subscriber::fmt()
        .with_writer(Log)
        .without_time()
        .with_ansi(false)
        .with_env_filter(match verbosity {
            0 | 1 => "warn",
            2 => "warn,playbook=debug,playbook_host=debug",
            _ => "debug",
        })
        .init();
}

/// Writes each entry as one line, whatever is in it.
struct Log;

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl io::Write for Log {
    /// An entry is written at once.
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(entry);
        output::say(text!("{}\n", line.trim_end()));
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
