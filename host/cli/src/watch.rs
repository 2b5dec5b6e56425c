//! Shows on stderr what happens while a playbook runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use playbook_host::run::RunEvent;
use playbook_host::sandbox::{CallEvent, LogLevel, Progress};
use tokio::time::Instant;

use crate::output::{self, Screen, text};

/// One line that is redrawn while a step runs, if stderr is a terminal; messages go above it.
#[derive(Clone)]
pub(crate) struct Watch {
    line: ProgressBar,
    /// When the step's time is up.
    deadline: Arc<Mutex<Option<Instant>>>,
    verbosity: u8,
}

impl Watch {
    pub(crate) fn new(verbosity: u8) -> Self {
        Self::on(Screen::target(), verbosity)
    }

    fn on(target: ProgressDrawTarget, verbosity: u8) -> Self {
        Self {
            line: ProgressBar::with_draw_target(None, target),
            deadline: Arc::default(),
            verbosity,
        }
    }

    /// Shows what happens during a run.
    pub(crate) fn show(&self, event: RunEvent) {
        match event {
            RunEvent::StepStarted { id } => {
                self.set_deadline(None);
                // A line that was finished does not draw again by itself.
                self.line.reset();
                self.line.set_style(self.style("{elapsed}"));
                self.line.set_prefix(text!("{}", id).drawn());
                self.line.set_message("");
                self.line.enable_steady_tick(Duration::from_millis(100));
            }
            RunEvent::StepCalled { time_limit, .. } => {
                self.set_deadline(Instant::now().checked_add(time_limit));
                self.line.set_style(self.style("{left}"));
            }
            RunEvent::Step {
                event: CallEvent::Progress(progress),
                ..
            } => self.progress(&progress),
            RunEvent::Step {
                id,
                event: CallEvent::Log { level, message },
                ..
            } => self.log(&id, level, &message),
            RunEvent::StepRetried { id, error, wait, .. } => {
                let again = format!("{}: trying again in {} ms", error.kind, wait.as_millis());
                self.log(&id, LogLevel::Info, &format!("{}; {again}", error.message));
                self.line.set_message(text!("{}", again).drawn());
            }
            RunEvent::StepFinished { .. } => self.clear(),
            _ => {}
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        self.line.disable_steady_tick();
        self.line.finish_and_clear();
    }

    fn progress(&self, progress: &Progress) {
        if let Some(total) = progress.total {
            self.line.set_length(total.into());
            self.line.set_position(progress.done.into());
            self.line.set_style(self.style("{bar:16} {left}"));
        }
        self.line.set_message(text!("{}", progress.message).drawn());
    }

    /// The message comes last: it is cut where the line ends.
    fn style(&self, middle: &str) -> ProgressStyle {
        let deadline = self.deadline.clone();
        ProgressStyle::with_template(&format!("{{spinner}} {{prefix}}  {middle}  {{wide_msg}}"))
            .expect("the template is valid")
            .progress_chars("━╸─")
            .with_key("left", move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
                let deadline = *deadline.lock().unwrap_or_else(PoisonError::into_inner);
                let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                // A failure to draw shows by itself.
                let _ = match left {
                    Some(Duration::ZERO) => out.write_str("time is up"),
                    Some(left) => out.write_str(&countdown(left)),
                    None => Ok(()),
                };
            })
    }

    fn set_deadline(&self, deadline: Option<Instant>) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
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
        let line = text!("{}{}{:#}: {}: {}\n", color, word, color, step, message);
        self.line.suspend(|| output::say(line));
    }
}

/// `2:05 left`, `47 s left`. Rounded up: nothing is left when nothing is.
fn countdown(left: Duration) -> String {
    let seconds = left.as_millis().div_ceil(1_000);
    match seconds {
        0..100 => format!("{seconds} s left"),
        _ => format!("{}:{:02} left", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use indicatif::TermLike;
    use playbook_host::text::visible;

    use super::*;

    /// A terminal that remembers what was written to it.
    #[derive(Debug, Clone, Default)]
    struct FakeTerminal(Arc<Mutex<String>>);

    impl FakeTerminal {
        fn take(&self) -> String {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl TermLike for FakeTerminal {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_line_tells_how_far_each_step_is_and_how_long_it_has() {
        let screen = FakeTerminal::default();
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), 255);
        let watch = Watch::on(target, 0);
        // The second step draws on a line that was finished by the first.
        for id in ["first", "sec\x1bond"] {
            screen.take();
            watch.show(RunEvent::StepStarted { id: id.into() });
            watch.show(RunEvent::StepCalled {
                id: id.into(),
                item: None,
                attempt: 1,
                time_limit: Duration::from_mins(5),
            });
            watch.progress(&Progress::new(2, Some(4), "2 of 4 hosts answered, 3 online"));
            watch.line.tick();
            let drawn = screen.take();
            assert!(drawn.contains(visible(id).as_ref()), "{drawn:?}");
            assert!(
                drawn.contains("━━━━━━━━") && drawn.contains("2 of 4 hosts answered, 3 online"),
                "{drawn:?}"
            );
            assert!(drawn.contains("5:00 left") || drawn.contains("4:5"), "{drawn:?}");
            watch.clear();
        }
    }

    #[test]
    fn time_is_counted_down_to_nothing() {
        for (ms, text) in [
            (1, "1 s left"),
            (1_000, "1 s left"),
            (99_000, "99 s left"),
            (125_000, "2:05 left"),
            (3_600_000, "60:00 left"),
        ] {
            assert_eq!(countdown(Duration::from_millis(ms)), text);
        }
    }
}
