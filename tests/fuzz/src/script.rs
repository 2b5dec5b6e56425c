//! A server that says what the input holds, whatever it is asked.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{pending, poll_fn};
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use step_osquery::contract::{
    Batch, Closed, ConnectError, Level, PollServices, Request, Response, Services, Socket, TransportError,
    TransportKind,
};

/// Parts the answers from each other.
const NEXT: &str = "\n===\n";

/// How long everything takes that takes time.
const WHILE: Duration = Duration::from_millis(500);

/// The input, answer by answer. `!404` before one is its status; one that is `?` is no answer at all.
pub(crate) struct Script<'a> {
    answers: RefCell<Box<dyn Iterator<Item = &'a str> + 'a>>,
    clock: Cell<Duration>,
    pub(crate) sent: RefCell<Vec<Request>>,
    /// The latest entry of each target.
    pub(crate) published: RefCell<BTreeMap<String, Result<String, String>>>,
    pub(crate) batches: RefCell<Vec<Batch>>,
    pub(crate) memory: RefCell<BTreeMap<String, String>>,
}

impl<'a> Script<'a> {
    /// A server that gives the answers in `text`, and then none.
    pub(crate) fn new(text: &'a str) -> Self {
        Self::of(text.split(NEXT))
    }

    /// A server that gives these answers, and then none.
    pub(crate) fn of(answers: impl Iterator<Item = &'a str> + 'a) -> Self {
        Self {
            answers: RefCell::new(Box::new(answers)),
            clock: Cell::default(),
            sent: RefCell::default(),
            published: RefCell::default(),
            batches: RefCell::default(),
            memory: RefCell::default(),
        }
    }

    fn next(&self) -> Option<&'a str> {
        self.pass();
        self.answers.borrow_mut().next()
    }

    fn pass(&self) {
        self.clock.set(self.clock.get() + WHILE);
    }
}

fn broken() -> TransportError {
    TransportError {
        kind: TransportKind::Interrupted,
        message: "the connection broke".to_owned(),
    }
}

/// The status that an answer begins with, and its body.
fn status(answer: &str) -> (u16, &str) {
    let marked = answer.strip_prefix('!').and_then(|marked| marked.split_at_checked(3));
    let marked = marked.and_then(|(status, body)| Some((status.parse().ok()?, body)));
    marked.unwrap_or((200, answer))
}

impl<'a> Services for Script<'a> {
    type Socket = Frames<'a>;

    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        assert!(request.path.starts_with('/'), "{}", request.path);
        let odd = |c: char| c.is_control() || c.is_whitespace() || !c.is_ascii();
        assert!(!request.path.contains(odd), "{}", request.path);
        self.sent.borrow_mut().push(request);
        let answer = self.next().filter(|answer| *answer != "?").ok_or_else(broken)?;
        let (status, body) = status(answer);
        let kind = if body.starts_with('<') {
            "text/html"
        } else {
            "application/json"
        };
        Ok(Response {
            status,
            headers: vec![("content-type".to_owned(), kind.to_owned())],
            body: body.as_bytes().to_vec(),
        })
    }

    async fn open_session(&self, _: &str, login: Request, _: Option<&str>) -> Result<Response, TransportError> {
        self.send(login).await
    }

    async fn connect(&self, _: &str, _: Duration) -> Result<Frames<'a>, ConnectError> {
        let answer = self.next().ok_or_else(|| ConnectError::Failed(broken()))?;
        match status(answer) {
            (200, frames) => Ok(Frames {
                frames: RefCell::new(frames.lines()),
            }),
            (status, _) => Err(ConnectError::Rejected(status)),
        }
    }

    fn now(&self) -> Timestamp {
        let second = 1_784_462_400 + self.clock.get().as_secs().cast_signed();
        Timestamp::from_second(second).expect("the clock is not set so far")
    }

    fn monotonic(&self) -> Duration {
        self.clock.get()
    }

    fn deadline(&self) -> Duration {
        Duration::MAX
    }

    async fn sleep(&self, duration: Duration) {
        // Time passes as it is waited for, so that what happens meanwhile happens.
        let end = self.clock.get() + duration;
        poll_fn(|context| {
            self.pass();
            if self.clock.get() >= end {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn log(&self, _: Level, _: &str) {}

    fn progress(&self, done: usize, total: usize, _: &str) {
        assert!(done <= total, "{done} of {total}");
    }

    fn publish(&self, target: &str, entry: Result<String, String>) {
        self.published.borrow_mut().insert(target.to_owned(), entry);
    }

    async fn cancellation(&self) {
        pending::<()>().await;
    }
}

impl PollServices for Script<'_> {
    async fn deliver(&self, batch: Batch) -> Result<(), Closed> {
        let mut memory = self.memory.borrow_mut();
        for change in &batch.changes {
            match &change.value {
                Some(value) => memory.insert(change.key.clone(), value.clone()),
                None => memory.remove(&change.key),
            };
        }
        self.batches.borrow_mut().push(batch);
        Ok(())
    }

    async fn recall(&self, keys: Vec<String>) -> Vec<Option<String>> {
        let memory = self.memory.borrow();
        keys.iter().map(|key| memory.get(key).cloned()).collect()
    }

    async fn entries(&self, prefix: &str, after: Option<String>, limit: u32) -> Vec<(String, String)> {
        let memory = self.memory.borrow();
        let entries = memory.iter().filter(|(key, _)| key.starts_with(prefix));
        let entries = entries.filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
        let entries = entries.map(|(key, value)| (key.clone(), value.clone()));
        entries.take(limit as usize).collect()
    }
}

/// A websocket: the lines of an answer are its frames, and then it is closed.
pub(crate) struct Frames<'a> {
    frames: RefCell<std::str::Lines<'a>>,
}

impl Socket for Frames<'_> {
    async fn send(&self, _: String) -> Result<(), TransportError> {
        Ok(())
    }

    async fn receive(&self, _: Duration) -> Result<Vec<String>, TransportError> {
        // Two at a time.
        let frames = self.frames.borrow_mut().by_ref().take(2).map(str::to_owned).collect();
        Ok(frames)
    }

    async fn close(&self) {}
}
