//! A connector file and what the real command remembers and delivers of it, poll by poll.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::command::{Finished, finish, playbook};

/// The token that the simulated servers know.
pub(crate) const TOKEN: &str = "a-polling-token-that-must-never-be-seen";

/// A connector on disk, with a state directory and a file that events go to.
pub(crate) struct Polled {
    folder: TempDir,
    read: usize,
}

/// What a poll came to.
pub(crate) struct Poll {
    pub(crate) done: Finished,
    /// What was delivered since the last look.
    pub(crate) events: Vec<Value>,
}

impl Polled {
    /// `config` and `options` go into the file beside the address and the token.
    pub(crate) fn new(connector: &str, url: &str, config: &Value, options: &Value) -> Self {
        let mut all = json!({"base_url": url, "api_token": "{{ secrets.token }}"});
        all.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        let polled = Self {
            folder: tempfile::tempdir().unwrap(),
            read: 0,
        };
        let file = json!({"connector": connector, "name": "corp", "config": all, "connector_config": options});
        std::fs::write(polled.path("connector.yaml"), file.to_string()).unwrap();
        polled
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command that polls, with more arguments.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let path = |name: &str| self.path(name).display().to_string();
        let (file, state, sink) = (path("connector.yaml"), path("state"), path("events.ndjson"));
        let mut args = vec!["poll", &file, "--state", &state, "--sink", &sink];
        args.extend(more);
        playbook(&args, &[("token", TOKEN)])
    }

    /// Polls each stream once.
    pub(crate) async fn once(&mut self, more: &[&str]) -> Poll {
        let mut args = vec!["--once"];
        args.extend(more);
        let done = finish(self.command(&args).spawn().unwrap()).await;
        assert!(!done.stderr.contains(TOKEN), "{}", done.stderr);
        Poll {
            done,
            events: self.delivered(),
        }
    }

    /// Polls each stream once and expects it to succeed.
    pub(crate) async fn complete(&mut self) -> Vec<Value> {
        let poll = self.once(&[]).await;
        assert_eq!(poll.done.code(), 0, "{}", poll.done.stderr);
        poll.events
    }

    /// What was delivered since the last look.
    pub(crate) fn delivered(&mut self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("events.ndjson")).unwrap_or_default();
        assert!(!text.contains(TOKEN));
        // What follows the last end of a line is being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().skip(self.read);
        let events: Vec<Value> = lines
            .map(|line| serde_json::from_str(line).expect("an event is one line of JSON"))
            .collect();
        self.read += events.len();
        events
    }
}

/// The texts under these keys of each event, joined and sorted.
pub(crate) fn summary(events: &[Value], keys: &[&str]) -> Vec<String> {
    let line = |event: &Value| {
        let texts = keys.iter().map(|key| match &event[*key] {
            Value::String(text) => text.clone(),
            Value::Null => "-".to_owned(),
            other => other.to_string(),
        });
        texts.collect::<Vec<_>>().join(" ")
    };
    let mut lines: Vec<String> = events.iter().map(line).collect();
    lines.sort();
    lines
}
