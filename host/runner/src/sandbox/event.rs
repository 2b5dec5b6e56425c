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
#[non_exhaustive]
pub struct Progress {
    /// Units done.
    pub done: u32,
    /// Units in all, once known.
    pub total: Option<u32>,
    /// What is happening, in a few words.
    pub message: String,
}

impl Progress {
    /// Progress with a message.
    pub fn new(done: u32, total: Option<u32>, message: impl Into<String>) -> Self {
        Self {
            done,
            total,
            message: message.into(),
        }
    }
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
pub struct CallObserver {
    observe: Arc<dyn Fn(CallEvent) + Send + Sync>,
    parts: bool,
}

impl CallObserver {
    /// An observer that calls this function.
    pub fn new(observe: impl Fn(CallEvent) + Send + Sync + 'static) -> Self {
        Self {
            observe: Arc::new(observe),
            parts: false,
        }
    }

    /// This observer, which also wants [`CallEvent::Part`].
    #[must_use]
    pub fn with_parts(self) -> Self {
        Self { parts: true, ..self }
    }

    pub(crate) fn wants_parts(&self) -> bool {
        self.parts
    }

    /// An observer that ignores everything.
    pub fn ignore() -> Self {
        Self::new(|_| ())
    }

    pub(crate) fn emit(&self, event: CallEvent) {
        (self.observe)(event);
    }
}

impl fmt::Debug for CallObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallObserver")
    }
}
