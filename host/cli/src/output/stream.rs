//! Standard output and standard error, each written by a thread of its own.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use playbook_host::CancellationToken;
use tokio::time::Instant;

use crate::signals;

/// How much waits to be written before whoever writes more has to wait, in bytes.
const ROOM: usize = 8 << 20;

/// How much is written at once, in bytes: less than a pipe holds, to see whether somebody reads.
const CHUNK: usize = 16 << 10;

/// How long a reader may read nothing once the process is to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often whoever waits looks whether the process is to end.
const LOOK: Duration = Duration::from_millis(50);

/// Standard output or standard error.
pub(crate) struct Stream(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

struct Queue {
    jobs: VecDeque<Job>,
    /// Bytes of the jobs, the one included that is being written.
    waiting: usize,
    /// When something was last written.
    progress: Instant,
    failed: Option<(io::ErrorKind, String)>,
    /// Is cancelled when nothing can be written any more.
    on_failure: Option<CancellationToken>,
}

/// What is to be written.
pub(super) enum Job {
    /// A text for people, whose styles are left out where they cannot be shown.
    Text(String),
    /// Bytes that stay as they are: JSON, and what moves the cursor of a terminal.
    Exact(Vec<u8>),
}

static STDOUT: LazyLock<Stream> = LazyLock::new(|| Stream::start("stdout", AnyStream::stdout()));
static STDERR: LazyLock<Stream> = LazyLock::new(|| Stream::start("stderr", AnyStream::stderr()));

pub(crate) fn stdout() -> &'static Stream {
    &STDOUT
}

pub(crate) fn stderr() -> &'static Stream {
    &STDERR
}

impl Stream {
    fn start(name: &str, mut target: AnyStream) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                jobs: VecDeque::new(),
                waiting: 0,
                progress: Instant::now(),
                failed: None,
                on_failure: None,
            }),
            changed: Condvar::new(),
        });
        let writing = shared.clone();
        let started = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || writing.write_all(&mut target));
        if let Err(error) = started {
            shared.fail(&error);
        }
        Self(shared)
    }

    /// Puts something into the queue, and waits while that is full. An error is one of what was written before.
    pub(super) fn write(&self, job: Job) -> io::Result<()> {
        off_the_loop(|| {
            let length = job.length();
            let mut queue = self
                .0
                .until(|queue| queue.waiting == 0 || queue.waiting + length <= ROOM)?;
            if queue.waiting == 0 {
                // Nobody was waiting for a reader until now.
                queue.progress = Instant::now();
            }
            queue.waiting += length;
            queue.jobs.push_back(job);
            self.0.changed.notify_all();
            Ok(())
        })
    }

    /// The same for bytes that stay as they are.
    pub(crate) fn write_exactly(&self, text: String) -> io::Result<()> {
        self.write(Job::Exact(text.into_bytes()))
    }

    /// Puts something into the queue if that is nearly empty: a frame of an animation is worth no waiting.
    pub(super) fn try_write(&self, job: Job) {
        let mut queue = self.0.lock();
        if queue.waiting < CHUNK && queue.failed.is_none() {
            if queue.waiting == 0 {
                queue.progress = Instant::now();
            }
            queue.waiting += job.length();
            queue.jobs.push_back(job);
            self.0.changed.notify_all();
        }
    }

    /// Returns when everything is written.
    pub(crate) fn wait(&self) -> io::Result<()> {
        off_the_loop(|| self.0.until(|queue| queue.waiting == 0).map(drop))
    }

    pub(super) fn write_and_wait(&self, job: Job) -> io::Result<()> {
        self.write(job)?;
        self.wait()
    }

    /// Cancels something as soon as nothing can be written any more.
    pub(crate) fn cancel_on_failure(&self, token: CancellationToken) {
        let mut queue = self.0.lock();
        if queue.failed.is_some() {
            token.cancel();
        }
        queue.on_failure = Some(token);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a state of the queue. It is not waited for any more when nothing can be written, or when the process is to
    /// end and nobody reads.
    fn until(&self, reached: impl Fn(&Queue) -> bool) -> io::Result<MutexGuard<'_, Queue>> {
        let mut queue = self.lock();
        loop {
            if let Some((kind, message)) = &queue.failed {
                return Err(io::Error::new(*kind, message.clone()));
            }
            if reached(&queue) {
                return Ok(queue);
            }
            if signals::ending() || signals::asked() && queue.progress.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "nobody reads it"));
            }
            let waited = self.changed.wait_timeout(queue, LOOK);
            (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes what comes, for as long as the process lives.
    fn write_all(&self, target: &mut AnyStream) {
        loop {
            let job = {
                let mut queue = self.lock();
                loop {
                    match queue.jobs.pop_front() {
                        Some(job) => break job,
                        None => queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                    }
                }
            };
            let length = job.length();
            match self.write_one(target, &job) {
                Ok(()) => {
                    let mut queue = self.lock();
                    queue.waiting -= length;
                    queue.progress = Instant::now();
                }
                Err(error) => self.fail(&error),
            }
            self.changed.notify_all();
        }
    }

    fn write_one(&self, target: &mut AnyStream, job: &Job) -> io::Result<()> {
        let bytes = match job {
            Job::Text(text) => &*target.styled(text),
            Job::Exact(bytes) => bytes,
        };
        for chunk in bytes.chunks(CHUNK) {
            target.write_all(chunk)?;
            self.lock().progress = Instant::now();
        }
        target.flush()
    }

    fn fail(&self, error: &io::Error) {
        let mut queue = self.lock();
        queue.jobs.clear();
        queue.waiting = 0;
        queue.failed = Some((error.kind(), error.to_string()));
        if let Some(token) = queue.on_failure.take() {
            token.cancel();
        }
        self.changed.notify_all();
    }
}

impl Job {
    fn length(&self) -> usize {
        match self {
            Self::Text(text) => text.len().max(1),
            Self::Exact(bytes) => bytes.len().max(1),
        }
    }
}

/// What is written to at last.
struct AnyStream {
    target: Box<dyn Write + Send>,
    /// Whether styles can be shown, and are wanted.
    styles: bool,
}

impl AnyStream {
    #[expect(clippy::disallowed_methods, reason = "the one place where stdout is written")]
    fn stdout() -> Self {
        Self::of(io::stdout())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where stderr is written")]
    fn stderr() -> Self {
        Self::of(io::stderr())
    }

    fn of<S>(target: S) -> Self
    where
        S: anstream::stream::RawStream + anstream::stream::AsLockedWrite + Send + 'static,
    {
        let styles = anstream::AutoStream::choice(&target) != anstream::ColorChoice::Never;
        // On Windows, this is what makes a terminal show styles.
        let target = if styles {
            Box::new(anstream::AutoStream::always_ansi(target)) as Box<dyn Write + Send>
        } else {
            Box::new(target)
        };
        Self { target, styles }
    }

    /// The text with its styles if they can be shown, and without otherwise.
    fn styled<'t>(&self, text: &'t str) -> Cow<'t, [u8]> {
        if self.styles {
            Cow::Borrowed(text.as_bytes())
        } else {
            Cow::Owned(anstream::adapter::strip_str(text).to_string().into_bytes())
        }
    }
}

impl Write for AnyStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.target.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

/// How wide the terminal is that stdout goes to; none when it goes elsewhere.
#[expect(clippy::disallowed_methods, reason = "asks about stdout, and writes nothing")]
pub(crate) fn width_of_stdout() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(usize::from(width.0))
}

/// How wide the terminal is that stderr goes to; none when it goes elsewhere.
#[expect(clippy::disallowed_methods, reason = "asks about stderr, and writes nothing")]
pub(crate) fn width_of_stderr() -> Option<u16> {
    let (width, _) = terminal_size::terminal_size_of(io::stderr())?;
    Some(width.0)
}

/// Waits where that holds up no other task.
fn off_the_loop<T>(waits: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => tokio::task::block_in_place(waits),
        _ => waits(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// One end of a pipe.
    struct Pipe(std::os::unix::net::UnixStream);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn stream() -> (Stream, std::os::unix::net::UnixStream) {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let target = AnyStream {
            target: Box::new(Pipe(ours)),
            styles: false,
        };
        (Stream::start("test", target), theirs)
    }

    #[test]
    fn a_reader_that_does_not_read_holds_up_nobody_until_the_queue_is_full() {
        let (stream, mut reader) = stream();
        for _ in 0..7 {
            stream.write_exactly("x".repeat(1 << 20)).unwrap();
        }
        stream.try_write(Job::Text("a frame".into()));
        stream.write(Job::Text("\x1b[1mend\x1b[0m\n".into())).unwrap();
        let mut read = vec![0; (7 << 20) + 4];
        reader.read_exact(&mut read).unwrap();
        assert!(read.ends_with(b"xend\n"));
        stream.wait().unwrap();
    }

    #[test]
    fn a_reader_that_goes_away_cancels_and_fails_what_is_written_after() {
        let (stream, reader) = stream();
        let token = CancellationToken::new();
        stream.cancel_on_failure(token.clone());
        drop(reader);
        stream.write_exactly("x".into()).unwrap();
        assert_eq!(stream.wait().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(token.is_cancelled());
        assert!(stream.write_exactly("y".into()).is_err());
    }
}
