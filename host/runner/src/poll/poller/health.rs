//! How streams have been doing: what is told when one fails for long, and when it is well again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{PollError, PollFailure, Poller};
use crate::clock;
use crate::sandbox::plugin::FailureKind;
use crate::sandbox::plugin::polling::Notice;
use crate::sandbox::store::{Batch, Change, Severity, blocking};

/// Failures in a row after which a source is given up until the next interval, each time.
pub(super) const GIVING_UP: u32 = 5;

/// How a stream has been doing. Remembered, so that a restart does not tell it again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Health {
    /// Failures in a row.
    pub(super) failures: u32,
    /// When the first of them was.
    pub(super) since: Option<Timestamp>,
    /// What has been told of them.
    told: Option<String>,
}

impl Poller {
    pub(super) async fn health(&self, key: &str) -> Result<Health, PollError> {
        let (store, key) = (self.store.clone(), [key.to_owned()]);
        let found = blocking(move || store.get(&key)).await?.pop().flatten();
        // What is not understood is forgotten: at worst something is told again.
        Ok(found
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default())
    }

    /// Tells once that a source has been given up, and remembers since when.
    pub(super) async fn gave_up(
        &self,
        stream: &str,
        key: &str,
        health: &mut Health,
        failure: &PollFailure,
        stop: &CancellationToken,
    ) -> Result<usize, PollError> {
        let (code, what) = match failure.kind {
            Some(FailureKind::Auth | FailureKind::Permission) => ("access-lost", "refuses access"),
            _ => ("source-unreachable", "cannot be read"),
        };
        let since = health.since.unwrap_or_else(clock::now);
        // From now on one probe an interval.
        health.failures = health.failures.max(GIVING_UP);
        let news = health.told.as_deref() != Some(code);
        health.told = Some(code.to_owned());
        let notice = Notice {
            code,
            id: format!("{stream}-{}", since.as_millisecond()),
            severity: Severity::Medium,
            title: format!("{} {what}: {stream}", self.connector.name),
            description: format!("since {since}: {failure}"),
            time: clock::now(),
        };
        self.tell(Some(notice).filter(|_| news), key, health, stop).await
    }

    /// Tells once that a source can be read again, if it was told that it could not.
    pub(super) async fn recovered(
        &self,
        stream: &str,
        key: &str,
        health: &Health,
        stop: &CancellationToken,
    ) -> Result<usize, PollError> {
        let remembered = self.health(key).await?;
        if remembered == Health::default() {
            return Ok(0);
        }
        let since = health.since.unwrap_or_else(clock::now);
        let notice = Notice {
            code: "source-recovered",
            id: format!("{stream}-{}", since.as_millisecond()),
            severity: Severity::Info,
            title: format!("{} can be read again: {stream}", self.connector.name),
            description: format!("it could not since {since}"),
            time: clock::now(),
        };
        let notice = Some(notice).filter(|_| remembered.told.is_some());
        self.tell(notice, key, &Health::default(), stop).await
    }

    async fn tell(
        &self,
        notice: Option<Notice>,
        key: &str,
        health: &Health,
        stop: &CancellationToken,
    ) -> Result<usize, PollError> {
        let mut events = Vec::new();
        if let Some(notice) = notice {
            events.push(self.plugin.format_notice(self.connector.call(), notice).await?);
        }
        let told = events.len();
        let value = serde_json::to_string(health).expect("plain fields are JSON");
        let changes = vec![Change {
            key: key.to_owned(),
            value: Some(value),
        }];
        let delivered = self.deliver(Batch { events, changes }, stop).await?;
        Ok(if delivered { told } else { 0 })
    }
}
