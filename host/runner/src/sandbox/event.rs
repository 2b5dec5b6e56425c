//! What happens while a step runs, for whoever shows or records it.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For whoever debugs the plugin.
    Debug,
    /// For whoever wants to follow along.
    Info,
    /// Something the operator should know although the step goes on.
    Warn,
    /// Something failed.
    Error,
}

/// How far a step has come; each replaces the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Units done.
    pub done: u32,
    /// Units in all, once known.
    pub total: Option<u32>,
    /// What is happening, in a few words.
    pub message: String,
}

/// Something that happened during a plugin call. Texts are free of secrets and control characters.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CallEvent {
    /// The plugin wrote a message.
    Log {
        /// How much it matters.
        level: LogLevel,
        /// The message.
        message: String,
    },
    /// The plugin reported progress.
    Progress(Progress),
    /// A piece of the result came to be known. A later one about the same subject takes its place, and the result stands
    /// above all of them.
    Part {
        /// What it is about, for example a host.
        subject: String,
        /// Its part of the result, or why there is none.
        outcome: Result<Value, String>,
    },
}

/// Receives the events of a call as they happen. It is called from the call's own task and should return at once.
#[derive(Clone)]
pub struct EventSink {
    sink: Arc<dyn Fn(CallEvent) + Send + Sync>,
    parts: bool,
}

impl EventSink {
    /// A sink that calls this function.
    pub fn new(sink: impl Fn(CallEvent) + Send + Sync + 'static) -> Self {
        Self {
            sink: Arc::new(sink),
            parts: false,
        }
    }

    /// The same sink, which also wants [`CallEvent::Part`].
    #[must_use]
    pub fn with_parts(self) -> Self {
        Self { parts: true, ..self }
    }

    pub(crate) fn wants_parts(&self) -> bool {
        self.parts
    }

    /// A sink that ignores everything.
    pub fn ignore() -> Self {
        Self::new(|_| ())
    }

    pub(crate) fn emit(&self, event: CallEvent) {
        (self.sink)(event);
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventSink")
    }
}
