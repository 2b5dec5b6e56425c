//! Shows on stderr what happens while a playbook runs.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use playbook_host::{CallEvent, LogLevel, RunEvent};

/// One line that is redrawn while a step runs, if stderr is a terminal; messages go above it.
#[derive(Clone)]
pub(crate) struct Watch {
    line: ProgressBar,
    verbosity: u8,
}

impl Watch {
    pub(crate) fn new(verbosity: u8) -> Self {
        let line = ProgressBar::new_spinner();
        line.set_style(
            ProgressStyle::with_template("{spinner} {prefix} {msg} ({elapsed})").expect("the template is valid"),
        );
        Self { line, verbosity }
    }

    /// The function to give to a run.
    pub(crate) fn observer(&self) -> Arc<dyn Fn(RunEvent) + Send + Sync> {
        let watch = self.clone();
        Arc::new(move |event| watch.show(event))
    }

    fn show(&self, event: RunEvent) {
        match event {
            RunEvent::StepStarted { id } => {
                self.line.reset_elapsed();
                self.line.set_prefix(id);
                self.line.set_message("");
                self.line.enable_steady_tick(Duration::from_millis(100));
            }
            RunEvent::Step {
                event: CallEvent::Progress(progress),
                ..
            } => self.line.set_message(progress.message),
            RunEvent::Step {
                id,
                event: CallEvent::Log { level, message },
            } => self.log(&id, level, &message),
            RunEvent::StepRetried { id, error, wait } => {
                let again = format!("{}: trying again in {} ms", error.kind, wait.as_millis());
                self.log(
                    &id,
                    LogLevel::Info,
                    &format!("{}; {again}", super::table::printable(&error.message)),
                );
                self.line.set_message(again);
            }
            RunEvent::StepFinished { .. } => {
                self.line.disable_steady_tick();
                self.line.finish_and_clear();
            }
            _ => {}
        }
    }

    fn log(&self, step: &str, level: LogLevel, message: &str) {
        let needed = match level {
            LogLevel::Debug => 2,
            LogLevel::Info => 1,
            LogLevel::Warn | LogLevel::Error => 0,
        };
        if self.verbosity < needed {
            return;
        }
        let (word, color) = match level {
            LogLevel::Debug => ("debug", anstyle::AnsiColor::BrightBlack),
            LogLevel::Info => ("info", anstyle::AnsiColor::Green),
            LogLevel::Warn => ("warning", anstyle::AnsiColor::Yellow),
            LogLevel::Error => ("error", anstyle::AnsiColor::Red),
        };
        let color = color.on_default().bold();
        self.line.suspend(|| {
            // Nobody is left to tell when stderr is gone.
            let _ = writeln!(anstream::stderr(), "{color}{word}{color:#}: {step}: {message}");
        });
    }
}
