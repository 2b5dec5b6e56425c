//! The terminal as an animation sees it.

use std::fmt::Write as _;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressDrawTarget, TermLike};

use super::stream::{Job, stderr, width_of_stderr};
use super::text::Text;

/// How often is drawn at most, a second.
const FRAMES: u8 = 20;

/// How long the terminal gets to take the last frame.
const LAST_FRAME: Duration = Duration::from_millis(20);

/// Whether something is drawn, which must not be left when the process ends.
static DRAWN: AtomicBool = AtomicBool::new(false);

/// Draws on stderr. What is drawn goes the way of everything that is printed.
#[derive(Debug, Default)]
pub(crate) struct Screen(Mutex<String>);

impl Screen {
    /// Where to draw: nowhere, if stderr is no terminal.
    pub(crate) fn target() -> ProgressDrawTarget {
        if width_of_stderr().is_none() {
            return ProgressDrawTarget::hidden();
        }
        ProgressDrawTarget::term_like_with_hz(Box::new(Self::default()), FRAMES)
    }

    fn frame(&self) -> MutexGuard<'_, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, sequence: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.frame().write_fmt(sequence).map_err(io::Error::other)
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        width_of_stderr().unwrap_or(80)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        if n == 0 {
            Ok(())
        } else {
            self.add(format_args!("\x1b[{n}A"))
        }
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        if n == 0 {
            Ok(())
        } else {
            self.add(format_args!("\x1b[{n}B"))
        }
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        if n == 0 {
            Ok(())
        } else {
            self.add(format_args!("\x1b[{n}C"))
        }
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        if n == 0 {
            Ok(())
        } else {
            self.add(format_args!("\x1b[{n}D"))
        }
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)?;
        self.add(format_args!("\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(format_args!("{}", Text::rendered(text).drawn()))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add(format_args!("\r\x1b[2K"))
    }

    fn flush(&self) -> io::Result<()> {
        let frame = std::mem::take(&mut *self.frame());
        if !frame.is_empty() {
            DRAWN.store(true, Ordering::Relaxed);
            stderr().try_write(Job::Exact(frame.into_bytes()));
        }
        Ok(())
    }
}

/// Removes what is drawn.
#[expect(
    clippy::disallowed_methods,
    reason = "the process ends, and nothing else runs any more"
)]
pub(super) fn clear() {
    if DRAWN.load(Ordering::Relaxed) {
        stderr().try_write(Job::Exact(b"\r\x1b[2K".to_vec()));
        std::thread::sleep(LAST_FRAME);
    }
}
