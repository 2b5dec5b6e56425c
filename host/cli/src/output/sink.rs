//! Standard output as a sink of events.

use std::io;

use futures::future::BoxFuture;
use playbook_host::poll::{EventText, Sink, SinkError};
use playbook_host::text::visible_json;

use super::stream::{Job, stdout};

/// Writes events to stdout, one JSON object a line. Written is acknowledged.
pub(crate) struct StdoutSink;

impl Sink for StdoutSink {
    fn name(&self) -> &'static str {
        "standard output"
    }

    fn batch_size(&self) -> usize {
        usize::MAX
    }

    fn deliver<'a>(&'a self, events: &'a [EventText]) -> BoxFuture<'a, Result<(), SinkError>> {
        let mut lines = String::with_capacity(events.iter().map(|event| event.json.len() + 1).sum());
        for event in events {
            lines.push_str(&visible_json(&event.json));
            lines.push('\n');
        }
        Box::pin(async move {
            // The reader may be slow. Whoever waits for it can give up.
            let writing = tokio::task::spawn_blocking(|| stdout().write_and_wait(Job::Exact(lines.into_bytes())));
            let written = writing.await.unwrap_or_else(|failed| Err(io::Error::other(failed)));
            written.map_err(|error| SinkError::Gone(format!("cannot write to standard output: {error}")))
        })
    }
}
